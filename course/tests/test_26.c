/* fork: the child finds the mapping's contents, and its changes are its own */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int child, ends[2];
    char verdict = 0;
    char *memory = MAP(0, 3 * PAGE);
    CHECK(memory != FAILED);
    memset(memory, 'p', 3 * PAGE);
    CHECK(pipe(ends) == 0);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        verdict = filled(memory, 3 * PAGE, 'p') ? 'y' : 'n';
        memset(memory, 'c', 3 * PAGE);
        write(ends[1], &verdict, 1);
        exit();
    }
    CHECK(read(ends[0], &verdict, 1) == 1 && verdict == 'y');
    CHECK(wait() == child);
    CHECK(filled(memory, 3 * PAGE, 'p'));
    CHECK(munmap(memory, 3 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: private copies\n");
    exit();
}
