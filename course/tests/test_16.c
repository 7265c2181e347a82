/* mmap takes a hint where there is room */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

#define PLACE ((char *)0x20000000)

int main(void)
{
    CHECK(MAP(PLACE, 3 * PAGE) == PLACE);
    memset(PLACE, 'h', 3 * PAGE);
    CHECK(munmap(PLACE, 3 * PAGE) == 0);
    CHECK(MAP(PLACE, PAGE) == PLACE);
    CHECK(filled(PLACE, PAGE, 0));
    CHECK(munmap(PLACE, PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: the hint is taken\n");
    exit();
}
