/* Error numbers: include <pagoda/errno.h>. Not in user.h, because programs often define such names
 * themselves. */
#ifndef PAGODA_ERRNO_H
#define PAGODA_ERRNO_H

#include <pagoda/abi.h>

int __sys_errno(void);

/* The last error, with Linux's numbers; 0 if no call has failed. */
#define errno (__sys_errno())

/* The message of an error. */
const char *strerror(int error);
/* Prints the text, a colon and the message to standard error. */
void perror(const char *text);

#endif
