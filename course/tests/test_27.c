/* fork: the child's munmap takes nothing from the parent */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

static void unmap_and_map(char *memory)
{
    CHECK(munmap(memory, 2 * PAGE) == 0);
    CHECK(MAP(memory, 2 * PAGE) != FAILED);
}

int main(void)
{
    char *memory = MAP(0, 2 * PAGE);
    CHECK(memory != FAILED);
    memset(memory, 'p', 2 * PAGE);
    CHECK(survives(unmap_and_map, memory));
    CHECK(filled(memory, 2 * PAGE, 'p'));
    CHECK(munmap(memory, 2 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: each its own mapping\n");
    exit();
}
