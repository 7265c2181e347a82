/* mmap shows nothing of what was in memory before */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int round, length = 64 * PAGE;
    for (round = 0; round < 20; round++) {
        char *memory = MAP(0, length);
        CHECK(memory != FAILED);
        CHECK(filled(memory, length, 0));
        memset(memory, 0xA5, length);
        CHECK(munmap(memory, length) == 0);
    }
    printf(1, "XV6_TEST_OUTPUT ok: no old data\n");
    exit();
}
