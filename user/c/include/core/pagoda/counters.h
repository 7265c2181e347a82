/* The processor's counters: include <pagoda/counters.h>. With ICOUNT=1 rdinstret counts user and
 * kernel instructions exactly; otherwise, under QEMU, it and rdcycle follow the host's time. rdtime
 * is the machine's clock, 10 MHz on QEMU. */
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
