/* a mapping without PROT_WRITE can be read and not written */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *fixed, *free;
    fixed = mmap(0, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(fixed != FAILED);
    CHECK(filled(fixed, PAGE, 0));
    CHECK(!survives(store, fixed));
    free = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(free != FAILED);
    CHECK(survives(store, free));
    CHECK(munmap(fixed, PAGE) == 0);
    CHECK(munmap(free, PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: read only\n");
    exit();
}
