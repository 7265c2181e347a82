/* Short names of integer types. */
#include <pagoda/types.h>
