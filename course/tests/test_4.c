/* kmalloc and kfree under stress: 20000 steps, some 200 objects alive, sizes and order at random */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

#define SLOTS 400

static void *slot[SLOTS];
static uint seed = 20240;

static uint random(uint below)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % below;
}

int main(void)
{
    int step, i;
    for (step = 0; step < 20000; step++) {
        i = random(SLOTS);
        if (slot[i]) {
            kfree(slot[i]);
            slot[i] = 0;
        } else {
            slot[i] = kmalloc(1 + random(random(8) ? 256 : PAGE));
            CHECK(slot[i] != 0);
        }
    }
    for (i = 0; i < SLOTS; i++)
        kfree(slot[i]);
    printf(1, "XV6_TEST_OUTPUT ok: 20000 steps\n");
    exit();
}
