/* The runtime of the riscv dialect. */
#ifndef RISCV_USER_H
#define RISCV_USER_H

#include <pagoda/calls.h>
#include <pagoda/memory.h>
#include <pagoda/strings.h>
#include <stdarg.h>

#define SBRK_EAGER 1
#define SBRK_LAZY 2
#define SBRK_ERROR ((char *)-1)

int exit(int status) __attribute__((noreturn));
int wait(int *status);
/* The same as sleep. */
int pause(int ticks);
char *sbrklazy(int bytes);
char *sys_sbrk(int bytes, int kind);
void *mmap(void *hint, ulong length, int prot, int flags, int fd, long offset);
int munmap(void *address, ulong length);

void printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vprintf(int fd, const char *format, va_list arguments);
int memcmp(const void *one, const void *other, uint n);
void *memcpy(void *to, const void *from, uint n);

#endif
