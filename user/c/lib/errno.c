/* Error messages. */
#include "runtime.h"
#include <pagoda/errno.h>
#include <pagoda/strings.h>

WEAK const char *strerror(int error)
{
    switch (error) {
#define ERROR(name, text) \
    case name: \
        return text;
#include <pagoda/errors.inc>
    case 0:
        return "no error";
    default:
        return "unknown error";
    }
}

WEAK void perror(const char *text)
{
    const char *reason = strerror(errno);
    const char *parts[] = { text, ": ", reason, "\n" };
    for (int i = 0; i < 4; i++)
        __sys_write(2, parts[i], strlen(parts[i]));
}
