/* What programs of the classic dialect have in their own way. They were written for 32 bits: an
 * address may be in an int on its way from one call to another. All memory of a program lies below
 * 2 GiB, where that does no harm; what kmalloc returns does not, and gets its upper half back. */
#include "runtime.h"

/* Clock ticks of this dialect in one of the kernel's. */
#define TICKS 10

/* Flags as mman.h of the classic dialect has them. */
#define CLASSIC_FILE 0x100

struct classic_stat {
    short type;
    int dev;
    uint ino;
    short nlink;
    uint size;
};

WEAK void printf(int fd, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    __print(fd, POINTER_PLAIN, format, arguments);
    va_end(arguments);
}

__attribute__((noreturn)) void __exit_with(int status)
{
    __sys_exit(status);
}

int __wait_for(int *status)
{
    return __sys_wait(status);
}

/* For a pointer to it; the header makes __exit_with of every call. */
WEAK __attribute__((noreturn)) void(exit)(void)
{
    __sys_exit(0);
}

WEAK int(wait)(void)
{
    return __sys_wait(0);
}

WEAK int fstat(int fd, struct classic_stat *to)
{
    struct __stat stat;
    if (__sys_fstat(fd, &stat) < 0)
        return -1;
    *to = (struct classic_stat){ stat.type, stat.dev, stat.ino, stat.nlink, stat.size };
    return 0;
}

WEAK int stat(const char *path, struct classic_stat *to)
{
    int fd = __sys_open(path, 0);
    if (fd < 0)
        return -1;
    int result = fstat(fd, to);
    __sys_close(fd);
    return result;
}

WEAK int sleep(int ticks)
{
    return __sys_sleep(ticks > 0 ? (ticks - 1) / TICKS + 1 : ticks);
}

WEAK int uptime(void)
{
    return __sys_uptime() * TICKS;
}

/* Without flags the protection says nothing: private memory, which can be read and written. With
 * flags, what is not PROT_WRITE can be read. */
WEAK void *mmap(void *hint, int length, int prot, int flags, int fd, int offset)
{
    int kernel = flags;
    if (flags & CLASSIC_FILE)
        kernel = (flags & ~CLASSIC_FILE) | MAP_SHARED;
    else if (flags && !(flags & MAP_SHARED))
        kernel = flags | MAP_PRIVATE;
    if (!flags) {
        prot = PROT_WRITE;
        kernel = MAP_PRIVATE | MAP_ANONYMOUS;
    }
    return __sys_mmap(hint, length, prot | PROT_READ, kernel | MAP_32BIT, fd, offset);
}

/* The upper half of every address that kmalloc returns. */
static uint64 kernel_half;

/* A kmalloc made of the course's malloc has a block for 0 bytes, too. */
WEAK void *kmalloc(uint bytes)
{
    void *object = __sys_kmalloc(bytes ? bytes : 1);
    if (object == (void *)-1)
        return 0;
    if (object)
        kernel_half = (uint64)object >> 32 << 32;
    return object;
}

WEAK void kfree(void *object)
{
    uint64 upper = (uint64)object >> 32;
    if (object && (upper == 0 || upper == 0xffffffff))
        object = (void *)(kernel_half | (uint)(uint64)object);
    __sys_kfree(object);
}

WEAK void kmfree(void *object)
{
    kfree(object);
}
