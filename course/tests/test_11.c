/* mmap gives zeroed memory */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *memory = MAP(0, 5 * PAGE);
    CHECK(memory != FAILED);
    CHECK(filled(memory, 5 * PAGE, 0));
    CHECK(munmap(memory, 5 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: zeroed\n");
    exit();
}
