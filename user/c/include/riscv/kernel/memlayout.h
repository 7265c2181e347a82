/* The memory layout of QEMU's machine `virt`. Tests use these addresses as inaccessible ones. */
#ifndef RISCV_MEMLAYOUT_H
#define RISCV_MEMLAYOUT_H

#include "kernel/riscv.h"

#define UART0 0x10000000L
#define UART0_IRQ 10
#define VIRTIO0 0x10001000L
#define VIRTIO0_IRQ 1
#define CLINT 0x02000000L
#define PLIC 0x0c000000L

/* RAM as xv6 expects it: 128 MiB. */
#define KERNBASE 0x80000000L
#define PHYSTOP (KERNBASE + 128 * 1024 * 1024)

/* The top two pages of the user half, which are never mapped. */
#define TRAMPOLINE (MAXVA - PGSIZE)
#define TRAPFRAME (TRAMPOLINE - PGSIZE)
#define KSTACK(p) (TRAMPOLINE - ((p) + 1) * 2 * PGSIZE)

#endif
