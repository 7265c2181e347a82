/* The memory layout of this dialect. Heap, stack and mappings lie below KERNBASE. */
#ifndef CLASSIC_MEMLAYOUT_H
#define CLASSIC_MEMLAYOUT_H

#define EXTMEM 0x100000
#define PHYSTOP 0xE000000
#define DEVSPACE 0xFE000000

#define KERNBASE 0x80000000
#define KERNLINK (KERNBASE + EXTMEM)

/* Address arithmetic; the results are of no use to programs. */
#define V2P(address) ((ulong)(address) - KERNBASE)
#define P2V(address) ((void *)((char *)(ulong)(address) + KERNBASE))

#endif
