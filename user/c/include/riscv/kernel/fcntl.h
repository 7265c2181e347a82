/* Flags of open and mmap, from abi.h. */
#include <pagoda/abi.h>
#include <pagoda/memory.h>
