/* mmap goes elsewhere when the hint is a place in use */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *first, *second, *third;
    first = MAP(0, 4 * PAGE);
    CHECK(first != FAILED);
    memset(first, 'f', 4 * PAGE);
    second = MAP(first, 4 * PAGE);
    CHECK(second != FAILED);
    CHECK(!overlap(first, 4 * PAGE, second, 4 * PAGE));
    third = MAP(first + 3 * PAGE, 2 * PAGE);
    CHECK(third != FAILED);
    CHECK(!overlap(first, 4 * PAGE, third, 2 * PAGE));
    CHECK(!overlap(second, 4 * PAGE, third, 2 * PAGE));
    memset(second, 's', 4 * PAGE);
    memset(third, 't', 2 * PAGE);
    CHECK(filled(first, 4 * PAGE, 'f'));
    CHECK(munmap(second, 4 * PAGE) == 0);
    CHECK(munmap(first, 4 * PAGE) == 0);
    CHECK(munmap(third, 2 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: elsewhere\n");
    exit();
}
