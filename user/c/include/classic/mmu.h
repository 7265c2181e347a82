/* Pages, and the fields of a 32-bit address. */
#ifndef CLASSIC_MMU_H
#define CLASSIC_MMU_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

#define PGROUNDUP(size) (((size) + PGSIZE - 1) & ~((ulong)PGSIZE - 1))
#define PGROUNDDOWN(address) (((address)) & ~((ulong)PGSIZE - 1))

#define PTXSHIFT 12
#define PDXSHIFT 22
#define NPDENTRIES 1024
#define NPTENTRIES 1024
#define PDX(address) (((uint)(ulong)(address) >> PDXSHIFT) & 0x3FF)
#define PTX(address) (((uint)(ulong)(address) >> PTXSHIFT) & 0x3FF)
#define PGADDR(directory, table, offset) \
    ((uint)((directory) << PDXSHIFT | (table) << PTXSHIFT | (offset)))

#define PTE_P 0x001
#define PTE_W 0x002
#define PTE_U 0x004
#define PTE_PS 0x080
#define PTE_ADDR(entry) ((uint)(entry) & ~0xFFF)
#define PTE_FLAGS(entry) ((uint)(entry) & 0xFFF)

#endif
