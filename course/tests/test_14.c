/* mmap rounds lengths up to whole pages */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    static int lengths[] = {1, 200, PAGE - 1, PAGE + 1, 2 * PAGE + 1};
    int i, whole;
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        char *memory = MAP(0, lengths[i]);
        CHECK(memory != FAILED);
        whole = (lengths[i] + PAGE - 1) / PAGE * PAGE;
        memset(memory, 'r', whole);
        CHECK(filled(memory, whole, 'r'));
        CHECK(munmap(memory, lengths[i]) == 0);
        /* The last page went with the rest. */
        CHECK(!survives(load, memory + whole - 1));
    }
    printf(1, "XV6_TEST_OUTPUT ok: whole pages\n");
    exit();
}
