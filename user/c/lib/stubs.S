/* A stub for each system call: __sys_NAME, and also NAME unless the library wraps it. Numbers come
 * from crates/abi through the generated calls.inc. */

/* Calls that the library wraps. */
#define OWN_sbrk
#define OWN_errno
#ifdef __CLASSIC
#define OWN_exit
#define OWN_wait
#define OWN_fstat
#define OWN_sleep
#define OWN_uptime
#define OWN_kfree
#define OWN_mmap
#endif
#define OWN_kmalloc

    .macro  raw name, number
    .section .text.__sys_\name, "ax"
    .globl  __sys_\name
    .type   __sys_\name, @function
__sys_\name:
    li      a7, \number
    ecall
    ret
    .size   __sys_\name, . - __sys_\name
    .endm

    .macro  stub name, number
    raw     \name, \number
    .weak   \name
    .set    \name, __sys_\name
    .endm

#include <pagoda/calls.inc>
