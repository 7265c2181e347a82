/* The result of fstat. */
#ifndef RISCV_STAT_H
#define RISCV_STAT_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

struct stat {
    int dev;     /* the disk the file is on */
    uint ino;    /* inode number */
    short type;  /* T_FILE, T_DIR or T_DEVICE */
    short nlink; /* directory entries that name it */
    uint64 size; /* bytes in it */
};

#endif
