/* Why the last call that failed has failed, for programs that ask: include <pagoda/errno.h>. It is not in
 * user.h because many a program has names like these of its own. */
#ifndef PAGODA_ERRNO_H
#define PAGODA_ERRNO_H

#include <pagoda/abi.h>

int __sys_errno(void);

/* ENOENT and the like, with Linux's numbers; 0 if no call has failed. */
#define errno (__sys_errno())

/* What a reason says. */
const char *strerror(int error);
/* Prints it to standard error, behind the text and a colon. */
void perror(const char *text);

#endif
