/* Limits. MAXPATH, MAXARG and others are Pagoda's and come from abi.h. Those below are xv6's
 * numbers: Pagoda has no such tables, and programs use them to exceed xv6's. */
#ifndef PAGODA_PARAM_H
#define PAGODA_PARAM_H

#include <pagoda/abi.h>

#define NPROC 64       /* processes */
#define NCPU 8         /* most harts of Pagoda */
#define NOFILE 16      /* open files of a process */
#define NFILE 100      /* open files of all processes */
#define NINODE 50      /* inodes in memory */
#define NDEV 10        /* kinds of devices */
#define ROOTDEV 1      /* the disk with the root directory */
#define MAXOPBLOCKS 10 /* blocks that one operation writes */
#define LOGSIZE (MAXOPBLOCKS * 3)
#define LOGBLOCKS LOGSIZE
#define NBUF (MAXOPBLOCKS * 3)
#define FSSIZE 32768 /* blocks on the disk */

#endif
