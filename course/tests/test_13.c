/* mmap gives page-aligned addresses, whatever the length */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    static int lengths[] = {1, 100, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE - 7, 10 * PAGE};
    int i, count = sizeof(lengths) / sizeof(lengths[0]);
    char *memory[16];
    for (i = 0; i < count; i++) {
        memory[i] = MAP(0, lengths[i]);
        CHECK(memory[i] != FAILED);
        CHECK(page_aligned(memory[i]));
    }
    for (i = 0; i < count; i++)
        CHECK(munmap(memory[i], lengths[i]) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: aligned\n");
    exit();
}
