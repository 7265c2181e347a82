/* The disk: block 0 is free for a boot loader, block 1 is the superblock, then the log, the inodes, the
 * map of blocks in use, and the blocks with what files hold. Both dialects find Pagoda's own layout. */
#ifndef PAGODA_FS_H
#define PAGODA_FS_H

#include <pagoda/abi.h>
#include <pagoda/types.h>

/* The root directory's inode. */
#define ROOTINO 1
/* Bytes in a block. */
#define BSIZE 1024
#define FSMAGIC 0x10203040

/* Blocks that an inode names itself, those that its one indirect block names, and all that a file has. */
#define NDIRECT 12
#define NINDIRECT (BSIZE / sizeof(uint))
#define MAXFILE (NDIRECT + NINDIRECT)

/* Block 1. */
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

/* An inode on the disk. */
struct dinode {
    short type;
    short major;
    short minor;
    short nlink;
    uint size;
    uint addrs[NDIRECT + 1];
};

/* Inodes in a block, and the block that has inode i. */
#define IPB (BSIZE / sizeof(struct dinode))
#define IBLOCK(i, sb) ((i) / IPB + (sb).inodestart)

/* Bits of the map in a block, and the block of the map with block b's bit. */
#define BPB (BSIZE * 8)
#define BBLOCK(b, sb) ((b) / BPB + (sb).bmapstart)

/* What a directory holds; an inode number of 0 marks a free entry. A name of DIRSIZ bytes has no zero
 * at its end. */
struct dirent {
    ushort inum;
    char name[DIRSIZ];
};

#endif
