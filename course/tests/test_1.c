/* kmalloc gives an object and kfree takes it back */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    void *object = kmalloc(64);
    CHECK(object != 0);
    CHECK(object != (void *)-1);
    kfree(object);
    printf(1, "XV6_TEST_OUTPUT ok: one object\n");
    exit();
}
