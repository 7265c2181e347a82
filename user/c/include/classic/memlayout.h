/* Where memory is, as programs of this dialect expect it. Heap, stack and mappings of such a program
 * lie below KERNBASE. */
#ifndef CLASSIC_MEMLAYOUT_H
#define CLASSIC_MEMLAYOUT_H

#define EXTMEM 0x100000
#define PHYSTOP 0xE000000
#define DEVSPACE 0xFE000000

#define KERNBASE 0x80000000
#define KERNLINK (KERNBASE + EXTMEM)

/* Sums with addresses; no program can use what they give. */
#define V2P(address) ((ulong)(address) - KERNBASE)
#define P2V(address) ((void *)((char *)(ulong)(address) + KERNBASE))

#endif
