/* Pages, Sv39 page tables, and readable registers. */
#ifndef RISCV_RISCV_H
#define RISCV_RISCV_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

#define PGSHIFT 12
#define PGROUNDUP(size) (((size) + PGSIZE - 1) & ~(PGSIZE - 1))
#define PGROUNDDOWN(address) (((address)) & ~(PGSIZE - 1))
/* A superpage. */
#define SUPERPGSIZE (2 * 1024 * 1024)
#define SUPERPGROUNDUP(size) (((size) + SUPERPGSIZE - 1) & ~(SUPERPGSIZE - 1))

#define PTE_V (1L << 0)
#define PTE_R (1L << 1)
#define PTE_W (1L << 2)
#define PTE_X (1L << 3)
#define PTE_U (1L << 4)
#define PTE_G (1L << 5)
#define PTE_A (1L << 6)
#define PTE_D (1L << 7)

#define PA2PTE(address) (((uint64)(address) >> 12) << 10)
#define PTE2PA(entry) (((entry) >> 10) << 12)
#define PTE_FLAGS(entry) ((entry) & 0x3FF)
#define PXMASK 0x1FF
#define PXSHIFT(level) (PGSHIFT + 9 * (level))
#define PX(level, address) ((((uint64)(address)) >> PXSHIFT(level)) & PXMASK)
#define MAKE_SATP(table) ((8L << 60) | (((uint64)(table)) >> 12))

typedef uint64 *pagetable_t;

static inline uint64 r_sp(void)
{
    uint64 value;
    __asm__ volatile("mv %0, sp" : "=r"(value));
    return value;
}

static inline uint64 r_tp(void)
{
    uint64 value;
    __asm__ volatile("mv %0, tp" : "=r"(value));
    return value;
}

static inline uint64 r_ra(void)
{
    uint64 value;
    __asm__ volatile("mv %0, ra" : "=r"(value));
    return value;
}

static inline uint64 r_fp(void)
{
    uint64 value;
    __asm__ volatile("mv %0, s0" : "=r"(value));
    return value;
}

static inline uint64 r_time(void)
{
    uint64 value;
    __asm__ volatile("rdtime %0" : "=r"(value));
    return value;
}

#endif
