/* kmalloc objects can be freed in any order */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

#define COUNT 200

static void *object[COUNT];

static void allocate(int size)
{
    int i;
    for (i = 0; i < COUNT; i++) {
        object[i] = kmalloc(size);
        CHECK(object[i] != 0);
    }
}

int main(void)
{
    int i, size;
    for (size = 8; size <= PAGE; size *= 8) {
        allocate(size);
        for (i = 0; i < COUNT; i++)
            kfree(object[i]);
        allocate(size);
        for (i = COUNT - 1; i >= 0; i--)
            kfree(object[i]);
        allocate(size);
        for (i = 0; i < COUNT; i += 2)
            kfree(object[i]);
        for (i = 1; i < COUNT; i += 2)
            kfree(object[i]);
    }
    printf(1, "XV6_TEST_OUTPUT ok: three orders\n");
    exit();
}
