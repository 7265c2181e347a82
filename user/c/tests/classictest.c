/* classictest: the runtime in the classic dialect, as used by programs written for 32 bits:
 * addresses in an int, lengths in a uint, own functions under library names. */
#include "types.h"
#include "stat.h"
#include "user.h"
#include "fcntl.h"
#include "mmu.h"
#include "mman.h"
#include <pagoda/counters.h>

/* The casts are under test; do not warn about them. */
#pragma GCC diagnostic ignored "-Wpointer-to-int-cast"
#pragma GCC diagnostic ignored "-Wint-to-pointer-cast"

static int failures;

static void check(int good, char *what)
{
    if (!good) {
        printf(1, "classictest: FAILED: %s\n", what);
        failures++;
    }
}

/* Replaces the library's; only tells whether there is a difference. */
int memcmp(char *one, char *other, int n)
{
    while (n-- > 0)
        if (*one++ != *other++)
            return 77;
    return 0;
}

static void test_printf(void)
{
    static char text[128], wanted[] = "-1 4294967295 BEEF 4000 ab(null) z %";
    int ends[2];
    pipe(ends);
    printf(ends[1], "%d %u %x %p %s%s %c %% %q", -1, -1, 0xbeef, (void *)0x4000, "ab", 0, 'z');
    read(ends[0], text, sizeof text);
    check(strcmp(text, "-1 4294967295 BEEF 4000 ab(null) z % %q") == 0, "printf");
    check(memcmp(text, wanted, 5) == 0 && memcmp("a", "b", 1) == 77, "a memcmp of the program's own");
    close(ends[0]);
    close(ends[1]);
}

/* Whether a child survives touching the byte. */
static int survives(char *at, int store)
{
    int ends[2], n;
    char byte = 'x';
    pipe(ends);
    if (fork() == 0) {
        volatile char *p = at;
        if (store)
            *p = 1;
        else
            byte = *p;
        write(ends[1], &byte, 1);
        exit();
    }
    close(ends[1]);
    n = read(ends[0], &byte, 1);
    close(ends[0]);
    wait();
    return n == 1;
}

static void test_mmap(void)
{
    int i, addr = (int)mmap(0, 200, 0, 0, -1, 0);
    char *p = (char *)addr;
    if (addr <= 0) {
        check(0, "an address in an int");
        return;
    }
    check(addr % PGSIZE == 0, "aligned");
    for (i = 0; i < PGSIZE; i++)
        check(p[i] == 0, "zeroed");
    p[0] = 1;
    p[PGSIZE - 1] = 2;
    check(survives(p, 1) && !survives(p + PGSIZE, 1), "a page and no more");
    char *q = mmap(p, 100, 0, 0, -1, 0);
    check(q != (char *)-1 && q != p && (int)q > 0, "a hint that is taken");
    char *hinted = mmap((void *)0x60000000, 100, 0, 0, -1, 0);
    check(hinted == (char *)0x60000000, "a hint that is free");
    check(munmap(p, 200) == 0 && munmap(q, 100) == 0 && munmap(hinted, 100) == 0, "munmap");
    check(munmap(p, 200) == -1 && !survives(p, 0), "gone");
    check(mmap(0, 0, 0, 0, -1, 0) == (void *)-1 && mmap(0, -5, 0, 0, -1, 0) == (void *)-1, "lengths");
}

static void test_flags(void)
{
    char *readable = mmap(0, PGSIZE, 0, MAP_ANONYMOUS, -1, 0);
    check(readable != MAP_FAILED && *readable == 0, "MAP_ANONYMOUS can be read");
    check(survives(readable, 0) && !survives(readable, 1), "and not written");
    char *writable = mmap(0, PGSIZE, PROT_WRITE, MAP_ANONYMOUS, -1, 0);
    check(writable != MAP_FAILED && survives(writable, 1), "PROT_WRITE can be written");
    check(mmap(0, PGSIZE, PROT_WRITE, MAP_FILE, 0, 0) == MAP_FAILED, "MAP_FILE");
    check(msync(readable, PGSIZE) == -1, "msync");
    munmap(readable, PGSIZE);
    munmap(writable, PGSIZE);
}

static void test_kmalloc(void)
{
    int i, objects[50];
    for (i = 0; i < 50; i++) {
        objects[i] = (int)kmalloc(i * 20 + 1);
        check(objects[i] != 0 && objects[i] != -1, "kmalloc");
    }
    for (i = 0; i < 50; i++)
        kfree((void *)objects[i]);
    void *object = kmalloc(4096);
    if (object <= 0)
        check(0, "kmalloc of a page");
    kmfree(object);
    object = kmalloc(0);
    check(object == 0, "kmalloc of nothing");
    kfree(0);
}

static void test_files(void)
{
    struct stat st;
    int fd = open("classic.tmp", O_CREATE | O_RDWR);
    check(write(fd, "12345", 5) == 5, "write");
    check(fstat(fd, &st) == 0 && st.type == T_FILE && st.size == 5 && st.nlink == 1, "fstat");
    close(fd);
    check(stat("classic.tmp", &st) == 0 && st.size == 5, "stat");
    unlink("classic.tmp");
    int start = uptime();
    sleep(1);
    check(uptime() > start, "sleep and uptime");
    if (fork() == 0)
        exit(3);
    int status;
    check(wait(&status) > 0 && status == 3, "exit and wait as in the other dialect");
    char *p = malloc(1000);
    check((int)p > 0 && (int)p % 16 == 0, "malloc below 2 GiB");
    free(p);
}

/* The heap ends where addresses stop to fit an int. */
static void test_heap(void)
{
    char *end = sbrk(0);
    check(sbrk(0x7f000000) == end, "a heap of almost 2 GiB");
    check(sbrk(0x2000000) == (char *)-1 && malloc(0xf0000000) == 0, "a heap beyond 2 GiB");
    check(sbrk(0) == end + 0x7f000000, "nothing is left of a refused sbrk");
    check(sbrk(-0x7f000000) == end + 0x7f000000 && sbrk(0) == end, "the heap shrinks");
}

static void recurse(volatile char *caller)
{
    volatile char frame[1000];
    frame[0] = *caller;
    recurse(frame);
    caller[0] = frame[0];
}

/* A page's worth of 32-bit pointers fits the stack, and the stack has a guard. */
static void test_stack(void)
{
    void *pointers[1000];
    char *page;
    int i, ends[2];
    for (i = 0; i < 1000; i++)
        pointers[i] = &pointers[i];
    for (i = 0; i < 1000; i++)
        check(pointers[i] == &pointers[i], "an array on the stack");
    page = malloc(2 * PGSIZE);
    memset(page, 7, 2 * PGSIZE);
    pipe(ends);
    if (fork() == 0) {
        recurse("x");
        write(ends[1], "y", 1);
        exit();
    }
    close(ends[1]);
    check(read(ends[0], page, 1) == 0 && page[0] == 7, "a stack without end");
    wait();
    close(ends[0]);
    free(page);
}

static void test_counters(void)
{
    uint64 time = rdtime(), cycles = rdcycle(), instructions = rdinstret();
    volatile int i;
    for (i = 0; i < 10000; i++)
        ;
    check(rdinstret() > instructions, "instret counts");
    check(rdcycle() > cycles, "cycle counts");
    check(rdtime() > time, "time goes on");
}

void main(int argc, char *argv[])
{
    test_printf();
    test_mmap();
    test_flags();
    test_kmalloc();
    test_files();
    test_heap();
    test_stack();
    test_counters();
    if (failures)
        exit(1);
    printf(1, "%s: OK\n", argv[0]);
}
