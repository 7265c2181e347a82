/* The disk's layout. */
#include <pagoda/fs.h>
