/* The processor's counters: include <pagoda/counters.h>. rdinstret counts instructions exactly on a
 * guest with ICOUNT=1, the program's and the kernel's alike; elsewhere under QEMU it counts the host's
 * time, and so does rdcycle. rdtime is the machine's clock, ten million a second on QEMU's. */
#ifndef PAGODA_COUNTERS_H
#define PAGODA_COUNTERS_H

#include <pagoda/types.h>

static inline uint64 rdtime(void)
{
    uint64 value;
    __asm__ volatile("rdtime %0" : "=r"(value) : : "memory");
    return value;
}

static inline uint64 rdcycle(void)
{
    uint64 value;
    __asm__ volatile("rdcycle %0" : "=r"(value) : : "memory");
    return value;
}

static inline uint64 rdinstret(void)
{
    uint64 value;
    __asm__ volatile("rdinstret %0" : "=r"(value) : : "memory");
    return value;
}

#endif
