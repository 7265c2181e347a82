/* Memory beyond malloc: mappings, kernel objects for tests, and what the kernel tells of its own. The
 * functions behave as in Linux where they have the name of one there, and answer -1 to every error. */
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
/* A byte for each page: 1 where it has memory. */
int mincore(void *address, ulong length, uchar *told);
/* -1 as long as only anonymous memory can be mapped. Courses differ in the arguments. */
int msync();

/* An object of the kernel's, which a program can free and nothing else; null if there is no memory.
 * More than 4096 bytes panic the kernel. What is not freed goes with the process. */
void *kmalloc(uint bytes);
void kfree(void *object);
void kmfree(void *object);

/* A size of kmalloc's. */
struct slabinfo {
    uint size, slabs, live, cached, free;
};

/* The state of memory, in pages; the kernel may know more fields behind these. */
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

/* Stores as much as `size` says; flags: MEMINFO_DROP_CACHES, MEMINFO_DISK. */
long meminfo(struct meminfo *info, ulong size, int flags);

#endif
