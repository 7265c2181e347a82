/* names_riscv: all headers of the riscv dialect, and the names that tests use. Values are Pagoda's;
 * names about the kernel are tried on it. */
#include "kernel/types.h"
#include "kernel/param.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/fs.h"
#include "kernel/riscv.h"
#include "kernel/memlayout.h"
#include "kernel/syscall.h"
#include "user/user.h"

static int failures;

static void equal(const char *name, uint64 seen, uint64 wanted)
{
    if (seen != wanted) {
        printf("names_riscv: FAILED: %s is %lx, not %lx\n", name, seen, wanted);
        failures++;
    }
}

#define EQUAL(name, wanted) equal(#name, name, wanted)

static void test_types(void)
{
    EQUAL(sizeof(uchar) + sizeof(ushort) + sizeof(uint), 7);
    EQUAL(sizeof(uint8) + sizeof(uint16) + sizeof(uint32) + sizeof(uint64), 15);
    EQUAL(sizeof(pde_t), 8);
    EQUAL(sizeof(pte_t), 8);
    EQUAL(sizeof(pagetable_t), 8);
    EQUAL(sizeof(struct stat), 24);
    EQUAL(sizeof(struct dirent), 16);
    EQUAL(sizeof(struct dinode), 64);
    EQUAL(sizeof(struct superblock), 32);
}

static void test_limits(void)
{
    EQUAL(NPROC, 64);
    EQUAL(NCPU, 8);
    EQUAL(NOFILE, 16);
    EQUAL(NFILE, 100);
    EQUAL(NINODE, 50);
    EQUAL(NDEV, 10);
    EQUAL(ROOTDEV, 1);
    EQUAL(MAXARG, 32);
    EQUAL(MAXPATH, 128);
    EQUAL(MAXOPBLOCKS, 10);
    EQUAL(LOGSIZE, 30);
    EQUAL(NBUF, 30);
    EQUAL(USERSTACK, 1);
    EQUAL(CONSOLE, 1);
    EQUAL(FSSIZE > 1000, 1);
}

static void test_disk(void)
{
    EQUAL(BSIZE, 1024);
    EQUAL(NDIRECT, 12);
    EQUAL(NINDIRECT, 256);
    EQUAL(MAXFILE, 268);
    EQUAL(DIRSIZ, 14);
    EQUAL(ROOTINO, 1);
    EQUAL(FSMAGIC, 0x10203040);
    EQUAL(IPB, 16);
    EQUAL(BPB, 8192);
    EQUAL(T_DIR, 1);
    EQUAL(T_FILE, 2);
    EQUAL(T_DEVICE, 3);
    EQUAL(O_RDONLY, 0);
    EQUAL(O_WRONLY, 1);
    EQUAL(O_RDWR, 2);
    EQUAL(O_CREATE, 0x200);
    EQUAL(O_TRUNC, 0x400);
}

static void test_memory(void)
{
    EQUAL(PGSIZE, 4096);
    EQUAL(PGSHIFT, 12);
    EQUAL(PGROUNDUP(1), 4096);
    EQUAL(PGROUNDUP(4096), 4096);
    EQUAL(PGROUNDDOWN(8191), 4096);
    EQUAL(SUPERPGROUNDUP(1), SUPERPGSIZE);
    EQUAL(MAXVA, 1L << 38);
    EQUAL(KERNBASE, 0x80000000L);
    EQUAL(PHYSTOP, 0x88000000L);
    EQUAL(TRAMPOLINE, MAXVA - 4096);
    EQUAL(TRAPFRAME, MAXVA - 8192);
    EQUAL(UART0, 0x10000000);
    EQUAL(VIRTIO0, 0x10001000);
    EQUAL(PLIC, 0x0c000000);
    EQUAL(PTE_V | PTE_R | PTE_W | PTE_X | PTE_U, 31);
    EQUAL(PTE2PA(PA2PTE(0x80001000L)), 0x80001000L);
    EQUAL(PX(2, 1L << 30), 1);
    EQUAL(PROT_NONE, 0);
    EQUAL(PROT_READ | PROT_WRITE << 4 | PROT_EXEC << 8, 0x421);
    EQUAL(MAP_SHARED | MAP_PRIVATE << 4, 0x21);
    EQUAL(MAP_ANONYMOUS, 0x20);
    EQUAL(MAP_FIXED, 0x10);
    EQUAL(MAP_POPULATE, 0x8000);
    EQUAL((uint64)MAP_FAILED, ~0ul);
    EQUAL((uint64)SBRK_ERROR, ~0ul);
    EQUAL(MADV_WILLNEED + MADV_DONTNEED + MADV_FREE, 15);
    EQUAL(MREMAP_MAYMOVE, 1);
}

static void test_calls(void)
{
    static const int numbers[] = {
        SYS_fork, SYS_exit, SYS_wait, SYS_pipe, SYS_read, SYS_kill, SYS_exec,
        SYS_fstat, SYS_chdir, SYS_dup, SYS_getpid, SYS_sbrk, SYS_sleep, SYS_uptime,
        SYS_open, SYS_write, SYS_mknod, SYS_unlink, SYS_link, SYS_mkdir, SYS_close,
        SYS_kmalloc, SYS_kfree, SYS_mmap, SYS_munmap, SYS_meminfo, SYS_mprotect, SYS_madvise,
        SYS_mremap, SYS_mincore,
    };
    for (int i = 0; i < (int)(sizeof numbers / sizeof numbers[0]); i++)
        equal("a call's number", numbers[i], i + 1);
    EQUAL(SYS_pause, SYS_sleep);
    /* Every function of user.h links. */
    static void *const functions[] = {
        fork, exit, wait, pipe, read, write, close, kill, exec, open, mknod, unlink, fstat, link,
        mkdir, chdir, dup, getpid, sbrk, sbrklazy, sys_sbrk, sleep, pause, uptime, shutdown, stat,
        mmap, munmap, mprotect, msync, madvise, mremap, mincore, meminfo, kmalloc, kfree, kmfree,
        printf, fprintf, vprintf, strcpy, strchr, strcmp, strlen, memset, memmove, memcmp, memcpy,
        atoi, gets, malloc, free,
    };
    for (int i = 0; i < (int)(sizeof functions / sizeof functions[0]); i++)
        equal("a missing function", functions[i] == fork && i > 0, 0);
}

/* The page below the stack is unmapped. */
static void test_stack(void)
{
    int status = 0;
    if (fork() == 0) {
        (void)*(volatile char *)(r_sp() - USERSTACK * PGSIZE);
        exit(0);
    }
    wait(&status);
    equal("the status of a process that read below its stack", status, -1);
}

int main(void)
{
    test_types();
    test_limits();
    test_disk();
    test_memory();
    test_calls();
    test_stack();
    EQUAL(r_sp() / PGSIZE, (uint64)&(char){ 0 } / PGSIZE);
    if (!failures)
        printf("names_riscv: OK\n");
    exit(failures);
}
