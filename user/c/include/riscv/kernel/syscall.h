/* Numbers of the system calls. */
#include <pagoda/abi.h>
