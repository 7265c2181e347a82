/* 100 mappings at the same time, removed in another order */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

static char *memory[100];

int main(void)
{
    int i, j;
    for (i = 0; i < 100; i++) {
        memory[i] = MAP(0, 2 * PAGE);
        CHECK(memory[i] != FAILED);
        for (j = 0; j < i; j++)
            CHECK(!overlap(memory[i], 2 * PAGE, memory[j], 2 * PAGE));
        memset(memory[i], i, 2 * PAGE);
    }
    for (i = 0; i < 100; i++) {
        j = i * 37 % 100;
        CHECK(filled(memory[j], 2 * PAGE, j));
        CHECK(munmap(memory[j], 2 * PAGE) == 0);
    }
    printf(1, "XV6_TEST_OUTPUT ok: 100 mappings\n");
    exit();
}
