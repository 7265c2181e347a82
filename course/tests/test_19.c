/* mmap and munmap 100 times */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int i, before = free_pages();
    for (i = 0; i < 100; i++) {
        int length = (1 + i % 7) * PAGE;
        char *memory = MAP(0, length);
        CHECK(memory != FAILED);
        CHECK(filled(memory, length, 0));
        memset(memory, i, length);
        CHECK(munmap(memory, length) == 0);
    }
    CHECK(free_pages() >= before - 8);
    printf(1, "XV6_TEST_OUTPUT ok: 100 times\n");
    exit();
}
