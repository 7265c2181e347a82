/* ctest: the runtime, in the riscv dialect. Output goes through a pipe and is compared. */
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include <pagoda/errno.h>
#include <pagoda/extra.h>
#include <pagoda/counters.h>

static int failures;

static void check(int good, const char *what)
{
    if (!good) {
        printf("ctest: FAILED: %s\n", what);
        failures++;
    }
}

/* The output since the last call. */
static const char *printed(int from)
{
    static char text[256];
    int n = read(from, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    return text;
}

static void same(const char *seen, const char *wanted)
{
    if (strcmp(seen, wanted) != 0) {
        printf("ctest: FAILED: expected \"%s\", saw \"%s\"\n", wanted, seen);
        failures++;
    }
}

static void test_fprintf(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        exit(1);
    int in = ends[0], out = ends[1];
    fprintf(out, "%d %d %i", 0, -1, 2147483647);
    same(printed(in), "0 -1 2147483647");
    fprintf(out, "%d|%u|%x", (int)0x80000000, 0xffffffffu, 0xbeefu);
    same(printed(in), "-2147483648|4294967295|BEEF");
    fprintf(out, "%ld %lu %lx %lld", -5L, 18446744073709551615ul, 0x123456789abcul, 1ll << 62);
    same(printed(in), "-5 18446744073709551615 123456789ABC 4611686018427387904");
    fprintf(out, "%p", (void *)0x3fff);
    same(printed(in), "0x0000000000003FFF");
    fprintf(out, "%s%c%s%%", "a", 'b', (char *)0);
    same(printed(in), "ab(null)%");
    fprintf(out, "[%5d][%-5d][%05d][%+d][%5s][%-5s][%.2s][%*d]", 42, 42, -42, 42, "ab", "ab", "abc", 4, 7);
    same(printed(in), "[   42][42   ][-0042][+42][   ab][ab   ][ab][   7]");
    fprintf(out, "%d %s %c %x %u %ld", 1, "two", '3', 4, 5, 6L);
    same(printed(in), "1 two 3 4 5 6");
    fprintf(out, "%d%%|%5c|%-3c|%.3d|%8.3x", 50, 'x', 'y', 7, 0xau);
    same(printed(in), "50%|    x|y  |007|     00A");
    close(in);
    close(out);
}

static void test_snprintf(void)
{
    char text[8];
    check(snprintf(text, sizeof text, "%s", "seven..") == 7, "the length of what fits");
    same(text, "seven..");
    check(snprintf(text, sizeof text, "%d", 123456789) == 9, "the length of what does not fit");
    same(text, "1234567");
    check(snprintf(text, 0, "%d", 12) == 2, "the length without room");
    sprintf(text, "<%x>", 0xcafeu);
    same(text, "<CAFE>");
}

static void test_strings(void)
{
    char text[32] = "pagoda", copy[8];
    check(strlen("") == 0 && strlen(text) == 6, "strlen");
    check(strcmp("a", "b") < 0 && strcmp("b", "a") > 0 && strcmp("a", "a") == 0, "strcmp");
    check(strcmp("\xff", "a") > 0, "strcmp of bytes above 127");
    check(strncmp("abcd", "abxx", 2) == 0 && strncmp("abcd", "abxx", 3) < 0, "strncmp");
    check(strchr(text, 'g') == text + 2 && !strchr(text, 'z'), "strchr");
    check(strrchr(text, 'a') == text + 5, "strrchr");
    check(strstr(text, "god") == text + 2 && !strstr(text, "dog") && strstr(text, "") == text, "strstr");
    strcat(text, "s");
    strncat(text, " and more", 4);
    same(text, "pagodas and");
    strncpy(copy, "ab", sizeof copy);
    check(copy[1] == 'b' && copy[2] == 0 && copy[7] == 0, "strncpy pads with zeros");
    same(safestrcpy(copy, "longer than that", sizeof copy), "longer ");
    memmove(text + 2, text, 6);
    check(memcmp(text, "papagoda", 8) == 0, "memmove to the right");
    memmove(text, text + 2, 6);
    check(memcmp(text, "pagodada", 8) == 0, "memmove to the left");
    check(memcmp("a\0b", "a\0c", 3) < 0, "memcmp after a zero");
    check(memchr("a\0b", 'b', 3) != 0 && memchr("a\0b", 'b', 2) == 0, "memchr");
    memset(copy, 'x', 3);
    check(memcmp(memcpy(text, copy, 3), "xxx", 3) == 0, "memset and memcpy");
    check(atoi("42x") == 42 && atoi(" -7") == -7 && atoi("no") == 0, "atoi");
}

#define BLOCKS 200

/* Blocks of many sizes, allocated and freed; none may overlap. */
static void test_malloc(void)
{
    static uchar *blocks[BLOCKS];
    static uint sizes[BLOCKS];
    uint random = 12345;
    for (int round = 0; round < 5000; round++) {
        random = random * 1103515245 + 12345;
        int i = (random >> 16) % BLOCKS;
        if (blocks[i]) {
            for (uint n = 0; n < sizes[i]; n++)
                if (blocks[i][n] != (uchar)i) {
                    check(0, "a block keeps what was written to it");
                    return;
                }
            free(blocks[i]);
            blocks[i] = 0;
            continue;
        }
        sizes[i] = random >> 8 & 0x3ff;
        blocks[i] = malloc(sizes[i]);
        check(blocks[i] && (uint64)blocks[i] % 16 == 0, "malloc gives memory, aligned to 16");
        memset(blocks[i], i, sizes[i]);
    }
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    char *before = sbrk(0);
    void *large = malloc(50000);
    check(large && sbrk(0) == before, "freed blocks are merged and reused");
    free(large);
}

static void test_heap(void)
{
    int *zeroed = calloc(100, sizeof(int)), sum = 0;
    for (int i = 0; i < 100; i++)
        sum |= zeroed[i];
    check(sum == 0, "calloc zeroes");
    for (int i = 0; i < 100; i++)
        zeroed[i] = i;
    zeroed = realloc(zeroed, 100000);
    check(zeroed && zeroed[99] == 99, "realloc keeps what was there");
    free(zeroed);
    free(0);
    check(!calloc(1 << 20, 1 << 20), "a product that overflows");
    sbrk(5);
    char *odd = malloc(100000);
    check(odd && (uint64)odd % 16 == 0, "malloc aligns after an odd sbrk");
    free(odd);
}

static void test_memory_calls(void)
{
    char *p = mmap(0, 3 * PGSIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uchar here[3];
    check(p != MAP_FAILED && p[0] == 0, "mmap");
    p[PGSIZE] = 1;
    check(mincore(p, 3 * PGSIZE, here) == 0 && here[1] == 1 && here[2] == 0, "mincore");
    check(madvise(p, 3 * PGSIZE, MADV_DONTNEED) == 0 && p[PGSIZE] == 0, "madvise");
    check(mprotect(p, PGSIZE, PROT_READ) == 0, "mprotect");
    check(msync(p, PGSIZE, MS_SYNC) == -1, "msync of anonymous memory");
    check(munmap(p, 3 * PGSIZE) == 0 && munmap(p, 3 * PGSIZE) == -1, "munmap");
    void *object = kmalloc(100);
    check(object && object != (void *)-1, "kmalloc");
    kfree(object);
    struct meminfo info;
    check(meminfo(&info, sizeof info, 0) >= (long)sizeof info, "meminfo");
    check(info.total > 1000 && info.free > 0 && info.free <= info.total, "what meminfo tells");
}

static void test_perror(void)
{
    int ends[2], kept = dup(2);
    if (pipe(ends) < 0 || kept < 0)
        check(0, "pipe and dup");
    close(2);
    dup(ends[1]);
    if (open("missing", O_RDONLY) < 0)
        perror("missing");
    close(2);
    dup(kept);
    close(kept);
    close(ends[1]);
    same(printed(ends[0]), "missing: no such file or directory\n");
    close(ends[0]);
}

static void test_calls(void)
{
    struct stat st;
    int status, fd = open("ctest.tmp", O_CREATE | O_RDWR);
    check(fd >= 0 && write(fd, "line\nrest", 9) == 9, "a file");
    check(stat("ctest.tmp", &st) == 0 && st.size == 9 && st.type == T_FILE, "stat");
    check(fstat(fd, &st) == 0 && st.size == 9, "fstat");
    close(fd);
    unlink("ctest.tmp");
    check(stat("ctest.tmp", &st) == -1, "stat of a missing file");
    check(errno == ENOENT, "errno after it");
    check(getpid() > 0 && errno == ENOENT, "errno after a call that did not fail");
    check(close(-1) == -1 && errno == EBADF, "errno of the last failure");
    same(strerror(ENOENT), "no such file or directory");
    same(strerror(12345), "unknown error");
    int start = uptime();
    pause(1);
    check(uptime() > start, "pause and uptime");
    if (fork() == 0)
        exit(7);
    check(wait(&status) > 0 && status == 7, "fork, exit and wait");
    int child = fork();
    if (child == 0)
        for (;;)
            ;
    check(getpgid(child) == getpgid(0) && setpgid(child, 0) == 0, "groups");
    check(getpgid(child) == child && setpgid(1, 0) == -1 && errno == ESRCH, "process groups");
    check(tcgetpgrp(0) >= 0 && tcsetpgrp(0, -1) == -1 && errno == EPERM, "the foreground group");
    check(fsync(1) == -1 && errno == EINVAL && fsync(99) == -1 && errno == EBADF, "fsync refused");
    check(sync() == 0, "sync");
    check(kill(child) == 0 && wait(&status) == child && status == -1, "kill");
    char *old = sbrklazy(PGSIZE);
    check(sys_sbrk(0, SBRK_EAGER) == old + PGSIZE, "sbrklazy and sys_sbrk");
    sbrk(-PGSIZE);
}

static void test_counters(void)
{
    uint64 time = rdtime(), cycles = rdcycle(), instructions = rdinstret();
    for (volatile int i = 0; i < 10000; i++)
        ;
    check(rdinstret() > instructions, "instret counts");
    check(rdcycle() > cycles, "cycle counts");
    check(rdtime() > time, "time goes on");
}

int main(int argc, char *argv[])
{
    check(argc == 2 && strcmp(argv[1], "runs") == 0 && argv[2] == 0, "the arguments");
    test_fprintf();
    test_snprintf();
    test_strings();
    test_malloc();
    test_heap();
    test_memory_calls();
    test_calls();
    test_counters();
    test_perror();
    if (!failures)
        printf("ctest: OK\n");
    return failures;
}
