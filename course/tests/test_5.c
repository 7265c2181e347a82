/* kmalloc and kfree many times over use no more memory than once */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int i, before;
    before = free_pages();
    /* 400 MB in all, on a machine with 128. */
    for (i = 0; i < 100000; i++) {
        void *object = kmalloc(PAGE);
        CHECK(object != 0);
        kfree(object);
    }
    /* A page or two may be kept for the next one. */
    CHECK(free_pages() >= before - 8);
    printf(1, "XV6_TEST_OUTPUT ok: what is freed is used again\n");
    exit();
}
