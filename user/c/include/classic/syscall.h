/* System call numbers. */
#include <pagoda/abi.h>
