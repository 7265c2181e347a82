/* Mappings. With 0 for protection and flags, -1 for the file and 0 for the offset, a mapping is private,
 * zeroed, and can be written. With flags it can be read, and written if PROT_WRITE is there. */
#ifndef CLASSIC_MMAN_H
#define CLASSIC_MMAN_H

#include <pagoda/memory.h>

/* A mapping of the file `fd`; the kernel has none yet. */
#define MAP_FILE 0x100

void *mmap(void *hint, int length, int prot, int flags, int fd, int offset);
int munmap(void *address, uint length);

#endif
