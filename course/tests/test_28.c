/* system calls read from mappings and write into them */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    int ends[2];
    char *from = MAP(0, 2 * PAGE), *to = MAP(0, 2 * PAGE);
    CHECK(from != FAILED && to != FAILED);
    CHECK(pipe(ends) == 0);
    strcpy(from + PAGE - 5, "over a page's end");
    CHECK(write(ends[1], from + PAGE - 5, 18) == 18);
    /* Nothing has touched the pages that it goes to. */
    CHECK(read(ends[0], to + PAGE - 9, 18) == 18);
    CHECK(strcmp(to + PAGE - 9, "over a page's end") == 0);
    CHECK(munmap(from, 2 * PAGE) == 0);
    CHECK(write(ends[1], from, 1) == -1);
    CHECK(munmap(to, 2 * PAGE) == 0);
    printf(1, "XV6_TEST_OUTPUT ok: through a pipe\n");
    exit();
}
