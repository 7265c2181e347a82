/* munmap with the address and length of the mapping: its memory is gone, all else stays */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *kept = MAP(0, PAGE);
    char *removed = MAP(0, 3 * PAGE);
    char *also_kept = MAP(0, PAGE);
    CHECK(kept != FAILED && removed != FAILED && also_kept != FAILED);
    memset(kept, 'k', PAGE);
    memset(removed, 'r', 3 * PAGE);
    memset(also_kept, 'a', PAGE);
    CHECK(survives(load, removed));
    CHECK(munmap(removed, 3 * PAGE) == 0);
    CHECK(!survives(load, removed));
    CHECK(!survives(store, removed + 2 * PAGE));
    CHECK(filled(kept, PAGE, 'k'));
    CHECK(filled(also_kept, PAGE, 'a'));
    CHECK(munmap(kept, PAGE) == 0);
    CHECK(munmap(also_kept, PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: gone\n");
    exit();
}
