/* mappings and the heap keep out of each other's way */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "mman.h"
#include "check.h"

int main(void)
{
    char *block[20], *memory[20];
    int i;
    for (i = 0; i < 20; i++) {
        block[i] = malloc(20000);
        CHECK(block[i] != 0);
        memory[i] = MAP(0, 3 * PAGE);
        CHECK(memory[i] != FAILED);
        memset(block[i], i, 20000);
        memset(memory[i], 100 + i, 3 * PAGE);
    }
    for (i = 0; i < 20; i++) {
        CHECK(filled(block[i], 20000, i));
        CHECK(filled(memory[i], 3 * PAGE, 100 + i));
        CHECK(munmap(memory[i], 3 * PAGE) == 0);
        free(block[i]);
    }
    printf(1, "XV6_TEST_OUTPUT ok: heap and mappings\n");
    exit();
}
