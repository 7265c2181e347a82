/* Mappings. With protection, flags and offset 0 and file -1, a mapping is private, zeroed and
 * writable. With flags it is readable, and writable with PROT_WRITE. */
#ifndef CLASSIC_MMAN_H
#define CLASSIC_MMAN_H

#include <pagoda/memory.h>

/* A mapping of the file `fd`; not supported yet. */
#define MAP_FILE 0x100

void *mmap(void *hint, int length, int prot, int flags, int fd, int offset);
int munmap(void *address, uint length);

#endif
