/* Small functions on top of the system calls, the same in both dialects. */
#include "runtime.h"
#include <pagoda/extra.h>

/* Reads a line with its newline, byte by byte; an empty string at the end of input. */
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

/* In the classic dialect an address must fit an int. */
char *__move_break(long bytes)
{
#ifdef __CLASSIC
    if (bytes > 0 && (uint64)__sys_sbrk(0) + bytes > 0x80000000)
        return (char *)-1;
#endif
    return __sys_sbrk(bytes);
}

/* All memory is allocated on touch, so the kinds of sbrk do not differ. */
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

/* There are no file mappings to write back yet. */
WEAK int msync(void *address, uint length, int how)
{
    (void)address, (void)length, (void)how;
    return -1;
}
