/* mmap of more than fits gives -1 or memory that works, and the kernel lives */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *memory[8];
    int i;
    /* 1 GB each: promised or refused, never half. */
    for (i = 0; i < 8; i++) {
        memory[i] = MAP(0, 0x40000000);
        if (memory[i] != FAILED) {
            memory[i][0] = i;
            memory[i][0x40000000 - 1] = i;
        }
    }
    for (i = 0; i < 8; i++)
        if (memory[i] != FAILED) {
            CHECK(memory[i][0] == i && memory[i][0x40000000 - 1] == i);
            CHECK(munmap(memory[i], 0x40000000) == 0);
        }
    printf(1, "XV6_TEST_OUTPUT ok: asking for too much\n");
    exit();
}
