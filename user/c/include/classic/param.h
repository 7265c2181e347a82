/* Limits. */
#include <pagoda/param.h>

#ifndef KSTACKSIZE
/* Bytes of a kernel stack. */
#define KSTACKSIZE 4096
#endif
