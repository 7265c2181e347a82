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

/* What does not fit an int is no address in the classic dialect. */
char *__move_break(long bytes)
{
#ifdef __CLASSIC
    if (bytes > 0 && (uint64)__sys_sbrk(0) + bytes > 0x80000000)
        return (char *)-1;
#endif
    return __sys_sbrk(bytes);
}

/* All memory comes when it is touched: the kinds of sbrk differ in name only. */
WEAK char *sbrk(int bytes)
{
    return __move_break(bytes);
}

WEAK char *sbrklazy(int bytes)
{
    return __move_break(bytes);
}

WEAK char *sys_sbrk(int bytes, int kind)
{
    (void)kind;
    return __move_break(bytes);
}

/* A mapping of a file could be written back; there are none yet. */
WEAK int msync(void *address, uint length, int how)
{
    (void)address, (void)length, (void)how;
    return -1;
}
