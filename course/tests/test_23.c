/* mmap of impossible lengths gives -1 */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *memory;
    CHECK(MAP(0, 0) == FAILED);
    CHECK(MAP(0, -1) == FAILED);
    CHECK(MAP(0, -PAGE) == FAILED);
    memory = MAP(0, PAGE);
    CHECK(memory != FAILED);
    CHECK(munmap(memory, PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: impossible lengths\n");
    exit();
}
