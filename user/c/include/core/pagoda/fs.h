/* The on-disk layout: boot block, superblock, log, inodes, bitmap, data. Both dialects have
 * Pagoda's own layout. */
#ifndef PAGODA_FS_H
#define PAGODA_FS_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

/* The root directory's inode. */
#define ROOTINO 1
/* Bytes in a block. */
#define BSIZE 1024
#define FSMAGIC 0x10203040

/* Direct blocks, block numbers in the indirect block, and blocks of the largest file. */
#define NDIRECT 12
#define NINDIRECT (BSIZE / sizeof(uint))
#define MAXFILE (NDIRECT + NINDIRECT)

/* The superblock, block 1. */
struct superblock {
    uint magic;
    uint size;
    uint nblocks;
    uint ninodes;
    uint nlog;
    uint logstart;
    uint inodestart;
    uint bmapstart;
};

/* An on-disk inode. */
struct dinode {
    short type;
    short major;
    short minor;
    short nlink;
    uint size;
    uint addrs[NDIRECT + 1];
};

/* Inodes per block, and the block with inode i. */
#define IPB (BSIZE / sizeof(struct dinode))
#define IBLOCK(i, sb) ((i) / IPB + (sb).inodestart)

/* Bits per bitmap block, and the bitmap block for block b. */
#define BPB (BSIZE * 8)
#define BBLOCK(b, sb) ((b) / BPB + (sb).bmapstart)

/* A directory entry; inode number 0 marks a free one. A name of DIRSIZ bytes is not
 * zero-terminated. */
struct dirent {
    ushort inum;
    char name[DIRSIZ];
};

#endif
