/* kmalloc serves every size from 1 to 4096 bytes */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int size;
    for (size = 1; size <= PAGE; size++) {
        void *object = kmalloc(size);
        CHECK(object != 0 && object != (void *)-1);
        kfree(object);
    }
    printf(1, "XV6_TEST_OUTPUT ok: 4096 sizes\n");
    exit();
}
