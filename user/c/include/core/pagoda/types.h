/* Short names of integer types. */
#ifndef PAGODA_TYPES_H
#define PAGODA_TYPES_H

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

typedef unsigned char uint8;
typedef unsigned short uint16;
typedef unsigned int uint32;
typedef unsigned long uint64;
typedef signed char int8;
typedef short int16;
typedef int int32;
typedef long int64;

typedef uint64 pde_t;
typedef uint64 pte_t;

#ifndef NULL
#define NULL ((void *)0)
#endif

#endif
