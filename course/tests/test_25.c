/* processes that exit without kfree leave no memory behind */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int i, j, before = free_pages();
    for (i = 0; i < 40; i++) {
        int child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            for (j = 0; j < 500; j++)
                CHECK(kmalloc(1 + j * 8) != 0);
            exit();
        }
        CHECK(wait() == child);
    }
    CHECK(free_pages() >= before - 8);
    printf(1, "XV6_TEST_OUTPUT ok: nothing is lost\n");
    exit();
}
