/* Small things on top of the calls, the same in both dialects. */
#include "runtime.h"
#include <pagoda/extra.h>

/* Reads up to and with the end of a line, byte by byte; an empty string at the end of the input. */
WEAK char *gets(char *line, int room)
{
    int n = 0;
    char c;
    while (n + 1 < room && __sys_read(0, &c, 1) == 1) {
        line[n++] = c;
        if (c == '\n' || c == '\r')
            break;
    }
    if (room > 0)
        line[n] = 0;
    return line;
}

/* All memory comes when it is touched: the kinds of sbrk differ in name only. */
WEAK char *sbrk(int bytes)
{
    return __sys_sbrk(bytes);
}

WEAK char *sbrklazy(int bytes)
{
    return __sys_sbrk(bytes);
}

WEAK char *sys_sbrk(int bytes, int kind)
{
    (void)kind;
    return __sys_sbrk(bytes);
}

/* A mapping of a file could be written back; there are none yet. */
WEAK int msync(void *address, uint length, int how)
{
    (void)address, (void)length, (void)how;
    return -1;
}
