/* lazytests: heap memory is allocated on touch and freed by sbrk, and a process that wants too much
 * is killed. Each test runs in a process that must exit with 0. */
#include "kernel/types.h"
#include "kernel/riscv.h"
#include "user/user.h"

/* Far more than RAM, and the distance of touched pages. */
#define REGION (1024 * 1024 * 1024)
#define STRIDE (64 * PGSIZE)
/* The greedy process's allocation step. */
#define PIECE (16 * 1024 * 1024)

static char *sparse_region(void)
{
    char *base = sbrk(REGION);
    if (base == SBRK_ERROR) {
        printf("sbrk of %d bytes failed\n", REGION);
        exit(1);
    }
    for (char *at = base; at < base + REGION; at += STRIDE)
        *(char **)at = at;
    return base;
}

static void lazy_alloc(void)
{
    char *base = sparse_region();
    for (char *at = base; at < base + REGION; at += STRIDE) {
        if (*(char **)at != at) {
            printf("at %p: expected the address, saw %p\n", at, *(char **)at);
            exit(1);
        }
        if (at[STRIDE / 2] != 0) {
            printf("an untouched byte after %p is %d\n", at, at[STRIDE / 2]);
            exit(1);
        }
    }
    exit(0);
}

/* A child frees the region and touches a page of it, which must kill the child. */
static void lazy_unmap(void)
{
    char *base = sparse_region();
    for (char *at = base; at < base + REGION; at += REGION / 16) {
        int status = 0, pid = fork();
        if (pid < 0) {
            printf("fork failed\n");
            exit(1);
        }
        if (pid == 0) {
            if (sbrk(-REGION) == SBRK_ERROR)
                exit(0);
            *(char *volatile *)at = at;
            exit(0);
        }
        wait(&status);
        if (status == 0) {
            printf("freed memory at %p could be written\n", at);
            exit(1);
        }
    }
    exit(0);
}

/* A child touches all memory that it gets and must be killed. */
static void out_of_memory(void)
{
    int status = 0, pid = fork();
    if (pid < 0)
        exit(1);
    if (pid == 0) {
        char *base;
        while ((base = sbrk(PIECE)) != SBRK_ERROR)
            for (char *at = base; at < base + PIECE; at += PGSIZE)
                *(volatile char *)at = 1;
        exit(0);
    }
    wait(&status);
    if (status != -1) {
        printf("expected the process to be killed (-1), saw %d\n", status);
        exit(1);
    }
    exit(0);
}

static int passes(const char *name, void (*test)(void))
{
    int status = -1;
    printf("running test %s\n", name);
    int pid = fork();
    if (pid == 0)
        test();
    if (pid > 0)
        wait(&status);
    printf("test %s: %s\n", name, status == 0 ? "OK" : "FAILED");
    return status == 0;
}

int main(void)
{
    printf("lazytests starting\n");
    int passed = passes("lazy alloc", lazy_alloc);
    passed &= passes("lazy unmap", lazy_unmap);
    passed &= passes("out of memory", out_of_memory);
    printf(passed ? "ALL TESTS PASSED\n" : "SOME TESTS FAILED\n");
    exit(!passed);
}
