/* The short names of the integer types. */
#include <pagoda/types.h>
