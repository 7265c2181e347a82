/* Limits. */
#include <pagoda/param.h>

#ifndef USERSTACK
/* Pages of a program's stack. */
#define USERSTACK 1
#endif
