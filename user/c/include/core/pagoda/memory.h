/* Mappings, kernel objects for tests, and memory statistics. Functions with a name from Linux
 * behave as there; errors are -1. */
#ifndef PAGODA_MEMORY_H
#define PAGODA_MEMORY_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

#define MAP_FAILED ((void *)-1)

/* For msync, once files can be mapped. */
#define MS_ASYNC 1
#define MS_INVALIDATE 2
#define MS_SYNC 4

int mprotect(void *address, ulong length, int prot);
int madvise(void *address, ulong length, int advice);
void *mremap(void *address, ulong old, ulong new, int flags);
/* Stores a byte for each page: 1 if resident. */
int mincore(void *address, ulong length, uchar *told);
/* Always -1: there are no file mappings yet. Courses differ in the arguments. */
int msync();

/* Allocates a kernel object, which the program can only free; null if out of memory. More than 4096
 * bytes panic the kernel. Exit frees what is left. */
void *kmalloc(uint bytes);
void kfree(void *object);
void kmfree(void *object);

/* A size class of kmalloc. */
struct slabinfo {
    uint size, slabs, live, cached, free;
};

/* Memory statistics in pages; the kernel's structure may have more fields. */
struct meminfo {
    uint64 version;
    uint64 total, free, cached, slab, reserved;
    /* Free blocks of 1, 2, 4, … 1024 pages. */
    uint64 blocks[11];
    uint64 processes, files, pipes, inodes, objects;
    uint64 disk_free, disk_inodes;
    uint64 cpu_cached, least_free, whole, records;
    struct slabinfo classes[MEMINFO_CLASSES];
};

_Static_assert(sizeof(struct meminfo) <= MEMINFO_SIZE, "the kernel's structure has these fields");

/* Stores at most `size` bytes; flags: MEMINFO_DROP_CACHES, MEMINFO_DISK. */
long meminfo(struct meminfo *info, ulong size, int flags);

#endif
