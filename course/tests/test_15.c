/* mmap with a hint gives a page-aligned mapping, the hint aligned or not */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

#define PLACE 0x10000000

int main(void)
{
    char *aligned, *odd;
    aligned = MAP(PLACE, PAGE);
    CHECK(aligned != FAILED && page_aligned(aligned));
    odd = MAP(PLACE + 0x100000 + 123, 2 * PAGE);
    CHECK(odd != FAILED && page_aligned(odd));
    CHECK(!overlap(aligned, PAGE, odd, 2 * PAGE));
    memset(aligned, 1, PAGE);
    memset(odd, 2, 2 * PAGE);
    CHECK(filled(aligned, PAGE, 1));
    CHECK(munmap(aligned, PAGE) == 0);
    CHECK(munmap(odd, 2 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: hints\n");
    exit();
}
