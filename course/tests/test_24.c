/* processes that exit without munmap leave no memory behind */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int i, before = free_pages();
    /* 240 MB in all, on a machine with 128. */
    for (i = 0; i < 60; i++) {
        int child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            char *memory = MAP(0, 1024 * PAGE);
            CHECK(memory != FAILED);
            memset(memory, i, 1024 * PAGE);
            CHECK(MAP(0, PAGE) != FAILED);
            exit();
        }
        CHECK(wait() == child);
    }
    CHECK(free_pages() >= before - 8);
    printf(1, "XV6_TEST_OUTPUT ok: nothing is lost\n");
    exit();
}
