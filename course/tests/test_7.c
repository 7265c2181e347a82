/* small kmalloc objects share pages */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

static void *object[640];

int main(void)
{
    int i, before, used;
    before = free_pages();
    for (i = 0; i < 640; i++) {
        object[i] = kmalloc(64);
        CHECK(object[i] != 0);
    }
    used = before - free_pages();
    /* 640 objects are ten pages' worth; the kernel's own records come on top. */
    CHECK(used < 40);
    for (i = 0; i < 640; i++)
        kfree(object[i]);
    printf(1, "XV6_TEST_OUTPUT ok: 640 objects in few pages\n");
    exit();
}
