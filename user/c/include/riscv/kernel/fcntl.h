/* How open opens, and what mmap maps: all of it comes with abi.h. */
#include <pagoda/abi.h>
#include <pagoda/memory.h>
