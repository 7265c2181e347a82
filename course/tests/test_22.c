/* munmap of what is no mapping gives -1 and changes nothing */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *memory = MAP(0x30000000, 2 * PAGE);
    CHECK(memory != FAILED);
    memset(memory, 'm', 2 * PAGE);
    /* Nothing is there. */
    CHECK(munmap(memory + 0x100000, PAGE) == -1);
    CHECK(munmap(0, PAGE) == -1);
    /* Not the start of a page. */
    CHECK(munmap(memory + 100, PAGE) == -1);
    CHECK(munmap(memory, 0) == -1);
    CHECK(filled(memory, 2 * PAGE, 'm'));
    /* Once is enough. */
    CHECK(munmap(memory, 2 * PAGE) == 0);
    CHECK(munmap(memory, 2 * PAGE) == -1);
    printf(1, "XV6_TEST_OUTPUT ok: refused\n");
    exit();
}
