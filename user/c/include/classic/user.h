/* The runtime of the classic dialect. exit and wait take an optional argument: none as in this
 * dialect, or one as in the riscv dialect. */
#ifndef CLASSIC_USER_H
#define CLASSIC_USER_H

#include <pagoda/calls.h>
#include <pagoda/memory.h>
#include <pagoda/strings.h>

void *mmap(void *hint, int length, int prot, int flags, int fd, int offset);
int munmap(void *address, uint length);

int exit(void) __attribute__((noreturn));
int wait(void);
void __exit_with(int status) __attribute__((noreturn));
int __wait_for(int *status);

/* The second macro argument. */
#define __SECOND(first, second, ...) second
#define exit(...) __exit_with(__SECOND(0, ##__VA_ARGS__, 0))
#define wait(...) __wait_for(__SECOND(0, ##__VA_ARGS__, 0))

void printf(int fd, const char *format, ...);

#endif
