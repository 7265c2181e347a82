/* How open opens. */
#include <pagoda/abi.h>
