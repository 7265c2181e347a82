/* mmap gives memory that can be written and read */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *page = MAP(0, PAGE);
    int i;
    CHECK(page != FAILED && page != 0);
    for (i = 0; i < PAGE; i++)
        page[i] = i;
    for (i = 0; i < PAGE; i++)
        CHECK(page[i] == (char)i);
    CHECK(munmap(page, PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: a page\n");
    exit();
}
