/* mmap of several pages: each page is its own */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int i;
    char *memory = MAP(0, 100 * PAGE);
    CHECK(memory != FAILED);
    for (i = 0; i < 100; i++)
        memset(memory + i * PAGE, i + 1, PAGE);
    for (i = 0; i < 100; i++)
        CHECK(filled(memory + i * PAGE, PAGE, i + 1));
    CHECK(munmap(memory, 100 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: 100 pages\n");
    exit();
}
