/* alloctest: many open files at once, and how much memory one process gets.
 *
 * filetest: several processes together open more than NFILE files.
 * memtest: a process touches new pages until it is killed or refused. */
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/param.h"
#include "kernel/riscv.h"
#include "kernel/memlayout.h"
#include "user/user.h"

#define HOLDERS 50
#define EACH 10

_Static_assert(HOLDERS * EACH > NFILE, "more files than a table of NFILE has room for");

/* Pages between KERNBASE and PHYSTOP that a process need not get. */
#define OVERHEAD 655

static void fail(const char *test, const char *what)
{
    printf("%s: FAILED: %s\n", test, what);
    exit(1);
}

/* Opens its files, reports how many, and holds them until the gate closes. */
static void hold_files(int tell, int gate)
{
    char open_files = 0, never;
    for (int i = 0; i < EACH; i++)
        if (open("README", O_RDONLY) >= 0)
            open_files++;
    write(tell, &open_files, 1);
    read(gate, &never, 1);
    exit(0);
}

static void filetest(void)
{
    int told[2], gate[2], status;
    printf("filetest: start\n");
    if (pipe(told) < 0 || pipe(gate) < 0)
        fail("filetest", "no pipe");
    for (int i = 0; i < HOLDERS; i++) {
        int pid = fork();
        if (pid < 0)
            fail("filetest", "fork");
        if (pid == 0) {
            close(gate[1]);
            hold_files(told[1], gate[0]);
        }
    }
    for (int i = 0; i < HOLDERS; i++) {
        char open_files;
        if (read(told[0], &open_files, 1) != 1)
            fail("filetest", "a process did not tell");
        if (open_files != EACH)
            fail("filetest", "a process could not open its files");
    }
    close(gate[1]);
    for (int i = 0; i < HOLDERS; i++)
        if (wait(&status) < 0 || status != 0)
            fail("filetest", "a process did not end well");
    close(gate[0]);
    close(told[0]);
    close(told[1]);
    printf("filetest: OK\n");
}

/* Writes a byte to the pipe for every page. */
static void take_pages(int tell)
{
    for (;;) {
        char *page = sbrk(PGSIZE);
        if (page == SBRK_ERROR)
            exit(0);
        *(volatile int *)(page + PGSIZE / 2) = 1;
        if (write(tell, "p", 1) != 1)
            exit(1);
    }
}

static void memtest(void)
{
    static char buffer[256];
    int told[2], n, pages = 0, all = (PHYSTOP - KERNBASE) / PGSIZE;
    printf("memtest: start\n");
    if (pipe(told) < 0)
        fail("memtest", "no pipe");
    int pid = fork();
    if (pid < 0)
        fail("memtest", "fork");
    if (pid == 0) {
        close(told[0]);
        take_pages(told[1]);
    }
    close(told[1]);
    while ((n = read(told[0], buffer, sizeof buffer)) > 0)
        pages += n;
    close(told[0]);
    wait(0);
    printf("memtest: %d of %d pages\n", pages, all);
    if (pages < all - OVERHEAD)
        fail("memtest", "the kernel keeps too much for itself");
    printf("memtest: OK\n");
}

int main(void)
{
    filetest();
    memtest();
    exit(0);
}
