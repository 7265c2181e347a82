/* Flags of open. */
#include <pagoda/abi.h>
