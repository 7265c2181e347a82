/* kmalloc of more than 4096 bytes panics the kernel */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    CHECK(kmalloc(PAGE) != 0);
    printf(1, "XV6_TEST_OUTPUT 4096 bytes are served\n");
    kmalloc(PAGE + 1);
    printf(1, "XV6_TEST_OUTPUT 4097 bytes are served\n");
    exit();
}
