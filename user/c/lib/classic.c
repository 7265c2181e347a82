/* The classic dialect's own functions. Its programs were written for 32 bits and pass addresses in
 * an int, so all memory of such a program lies below 2 GiB. Pointers from kmalloc do not; their
 * upper half is restored. */
#include "runtime.h"

/* Ticks of this dialect in one of the kernel's. */
#define TICKS 10

/* Flags of the classic dialect's mman.h. */
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

/* For pointers to exit; the header turns calls into __exit_with. */
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

/* Without flags, protection is ignored: the mapping is private and writable. With flags, a mapping
 * without PROT_WRITE is read-only. */
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

/* The upper half of all kmalloc addresses. */
static uint64 kernel_half;

WEAK void *kmalloc(uint bytes)
{
    void *object = __sys_kmalloc(bytes);
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
