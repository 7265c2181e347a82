/* Internals of the runtime. Every library function is weak, so that programs may define their own;
 * names that start with two underscores are reserved for the library. */
#ifndef PAGODA_RUNTIME_H
#define PAGODA_RUNTIME_H

#include <pagoda/abi.h>
#include <pagoda/types.h>
#include <stdarg.h>

#define WEAK __attribute__((weak))

/* Raw system calls, by the names of crates/abi; see stubs.S. */
__attribute__((noreturn)) void __sys_exit(int status);
int __sys_wait(int *status);
long __sys_read(int fd, void *buffer, long n);
long __sys_write(int fd, const void *buffer, long n);
int __sys_open(const char *path, int how);
int __sys_close(int fd);
int __sys_fstat(int fd, void *stat);
char *__sys_sbrk(long bytes);
int __sys_sleep(long ticks);
int __sys_uptime(void);
void *__sys_kmalloc(uint bytes);
int __sys_kfree(void *object);
void *__sys_mmap(void *hint, long length, int prot, int flags, int fd, long offset);
int __sys_munmap(void *address, ulong length);

/* As sbrk, within the dialect's address range for the heap. */
char *__move_break(long bytes);

/* What fstat stores. */
struct __stat {
    int dev;
    uint ino;
    short type;
    short nlink;
    uint reserved;
    uint64 size;
};

/* Formats of %p. */
enum __pointers { POINTER_0X16, POINTER_PLAIN };

void __print(int fd, enum __pointers pointers, const char *format, va_list arguments);

#endif
