/* The result of fstat. */
#ifndef CLASSIC_STAT_H
#define CLASSIC_STAT_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

#define T_DEV T_DEVICE

struct stat {
    short type;  /* T_FILE, T_DIR or T_DEV */
    int dev;     /* the disk the file is on */
    uint ino;    /* inode number */
    short nlink; /* directory entries that name it */
    uint size;   /* bytes in it */
};

#endif
