/* kmalloc by two processes at once */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

static void work(void)
{
    void *object[50];
    int round, i;
    for (round = 0; round < 200; round++) {
        for (i = 0; i < 50; i++) {
            object[i] = kmalloc(1 + (round * 50 + i) % PAGE);
            CHECK(object[i] != 0);
        }
        for (i = 0; i < 50; i++)
            kfree(object[i]);
    }
}

int main(void)
{
    int child = fork();
    CHECK(child >= 0);
    work();
    if (child == 0)
        exit();
    CHECK(wait() == child);
    printf(1, "XV6_TEST_OUTPUT ok: two processes\n");
    exit();
}
