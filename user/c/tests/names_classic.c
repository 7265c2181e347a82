/* names_classic: all headers of the classic dialect, and the names that tests use. */
#include "types.h"
#include "param.h"
#include "stat.h"
#include "fcntl.h"
#include "fs.h"
#include "mmu.h"
#include "memlayout.h"
#include "syscall.h"
#include "traps.h"
#include "mman.h"
#include "user.h"

static int failures;

static void equal(char *name, uint64 seen, uint64 wanted)
{
    if (seen != wanted) {
        printf(1, "names_classic: FAILED: %s is %lx, not %lx\n", name, seen, wanted);
        failures++;
    }
}

#define EQUAL(name, wanted) equal(#name, name, wanted)

static void test_limits(void)
{
    EQUAL(sizeof(uchar) + sizeof(ushort) + sizeof(uint), 7);
    EQUAL(sizeof(struct stat), 20);
    EQUAL(sizeof(struct dirent), 16);
    EQUAL(NPROC, 64);
    EQUAL(KSTACKSIZE, 4096);
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
}

static void test_disk(void)
{
    EQUAL(BSIZE, 1024);
    EQUAL(NDIRECT, 12);
    EQUAL(NINDIRECT, 256);
    EQUAL(MAXFILE, 268);
    EQUAL(DIRSIZ, 14);
    EQUAL(ROOTINO, 1);
    EQUAL(T_DIR, 1);
    EQUAL(T_FILE, 2);
    EQUAL(T_DEV, 3);
    EQUAL(O_RDONLY, 0);
    EQUAL(O_WRONLY, 1);
    EQUAL(O_RDWR, 2);
    EQUAL(O_CREATE, 0x200);
}

static void test_memory(void)
{
    EQUAL(PGSIZE, 4096);
    EQUAL(PGROUNDUP(5000), 8192);
    EQUAL(PGROUNDDOWN(5000), 4096);
    EQUAL(KERNBASE, 0x80000000u);
    EQUAL(KERNLINK, 0x80100000u);
    EQUAL(PHYSTOP, 0xE000000);
    EQUAL(EXTMEM, 0x100000);
    EQUAL(DEVSPACE, 0xFE000000u);
    EQUAL(MAXVA, 1L << 38);
    EQUAL(V2P(0x80001000), 0x1000);
    EQUAL((ulong)P2V(0x1000), 0x80001000);
    EQUAL(PDX(0x00400000), 1);
    EQUAL(PTX(0x00401000), 1);
    EQUAL(PGADDR(1, 1, 1), 0x00401001);
    EQUAL(NPDENTRIES, 1024);
    EQUAL(NPTENTRIES, 1024);
    EQUAL(PTE_P | PTE_W | PTE_U, 7);
    EQUAL(PTE_ADDR(0x1234567), 0x1234000);
    EQUAL(PTE_FLAGS(0x1234567), 0x567);
    EQUAL(PROT_READ | PROT_WRITE, 3);
    EQUAL(MAP_ANONYMOUS != 0 && MAP_FILE != 0 && (MAP_ANONYMOUS & MAP_FILE) == 0, 1);
    EQUAL(MAP_PRIVATE | MAP_SHARED, 3);
    EQUAL((ulong)MAP_FAILED, ~0ul);
}

static void test_calls(void)
{
    static int numbers[] = {
        SYS_fork, SYS_exit, SYS_wait, SYS_pipe, SYS_read, SYS_kill, SYS_exec,
        SYS_fstat, SYS_chdir, SYS_dup, SYS_getpid, SYS_sbrk, SYS_sleep, SYS_uptime,
        SYS_open, SYS_write, SYS_mknod, SYS_unlink, SYS_link, SYS_mkdir, SYS_close,
        SYS_kmalloc, SYS_kfree, SYS_mmap, SYS_munmap,
    };
    static void *functions[] = {
        fork, exit, wait, pipe, read, write, close, kill, exec, open, mknod, unlink, fstat, link,
        mkdir, chdir, dup, getpid, sbrk, sleep, uptime, stat, mmap, munmap, mprotect, msync, madvise,
        mremap, mincore, meminfo, kmalloc, kfree, kmfree, printf, strcpy, strchr, strcmp, strlen,
        memset, memmove, atoi, gets, malloc, free,
    };
    int i;
    for (i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        equal("a call's number", numbers[i], i + 1);
    for (i = 1; i < sizeof functions / sizeof functions[0]; i++)
        equal("a missing function", functions[i] == functions[0], 0);
    EQUAL(T_SYSCALL, 64);
    EQUAL(T_PGFLT, 14);
    EQUAL(T_GPFLT, 13);
    EQUAL(T_DIVIDE, 0);
    EQUAL(T_IRQ0 + IRQ_TIMER, 32);
    EQUAL(IRQ_KBD + IRQ_COM1 + IRQ_IDE, 19);
}

int main(void)
{
    test_limits();
    test_disk();
    test_memory();
    test_calls();
    if (!failures)
        printf(1, "names_classic: OK\n");
    exit(failures);
}
