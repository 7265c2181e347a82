/* kmalloc objects that live at the same time do not overlap */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

#define COUNT 300

static char *object[COUNT];
static int size[COUNT];

int main(void)
{
    int i, j;
    for (i = 0; i < COUNT; i++) {
        size[i] = 1 + (i * 613) % PAGE;
        object[i] = kmalloc(size[i]);
        CHECK(object[i] != 0);
        for (j = 0; j < i; j++)
            CHECK(!overlap(object[i], size[i], object[j], size[j]));
    }
    for (i = 0; i < COUNT; i++)
        kfree(object[i]);
    printf(1, "XV6_TEST_OUTPUT ok: no two overlap\n");
    exit();
}
