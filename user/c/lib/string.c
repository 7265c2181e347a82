/* Strings and memory. Lengths are uint, as in both dialects. */
#include "runtime.h"
#include <pagoda/extra.h>

WEAK void *memset(void *to, int byte, uint n)
{
    char *at = to;
    while (n-- > 0)
        *at++ = byte;
    return to;
}

/* The regions may overlap. */
WEAK void *memmove(void *to, const void *from, int n)
{
    char *target = to;
    const char *source = from;
    if (n <= 0)
        return to;
    if ((uint64)target - (uint64)source >= (uint64)n) {
        while (n-- > 0)
            *target++ = *source++;
    } else {
        while (n-- > 0)
            target[n] = source[n];
    }
    return to;
}

WEAK void *memcpy(void *to, const void *from, uint n)
{
    char *target = to;
    const char *source = from;
    while (n-- > 0)
        *target++ = *source++;
    return to;
}

WEAK int memcmp(const void *one, const void *other, uint n)
{
    const uchar *a = one, *b = other;
    for (; n > 0; n--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

WEAK void *memchr(const void *in, int byte, uint n)
{
    const uchar *at = in;
    for (; n > 0; n--, at++)
        if (*at == (uchar)byte)
            return (void *)at;
    return 0;
}

WEAK uint strlen(const char *s)
{
    const char *end = s;
    while (*end)
        end++;
    return end - s;
}

WEAK char *strcpy(char *to, const char *from)
{
    char *at = to;
    while ((*at++ = *from++))
        ;
    return to;
}

/* Pads to n bytes; zero-terminated only if there is room. */
WEAK char *strncpy(char *to, const char *from, int n)
{
    char *at = to;
    for (; n > 0 && *from; n--)
        *at++ = *from++;
    for (; n > 0; n--)
        *at++ = 0;
    return to;
}

/* Always zero-terminated unless n is 0. */
WEAK char *safestrcpy(char *to, const char *from, int n)
{
    char *at = to;
    if (n <= 0)
        return to;
    while (--n > 0 && *from)
        *at++ = *from++;
    *at = 0;
    return to;
}

WEAK char *strcat(char *to, const char *from)
{
    char *end = to;
    while (*end)
        end++;
    while ((*end++ = *from++))
        ;
    return to;
}

WEAK char *strncat(char *to, const char *from, uint n)
{
    char *end = to;
    while (*end)
        end++;
    for (; n > 0 && *from; n--)
        *end++ = *from++;
    *end = 0;
    return to;
}

WEAK int strncmp(const char *one, const char *other, uint n)
{
    for (; n > 0; n--, one++, other++) {
        if (*one != *other)
            return (uchar)*one - (uchar)*other;
        if (!*one)
            break;
    }
    return 0;
}

WEAK int strcmp(const char *one, const char *other)
{
    for (; *one && *one == *other; one++)
        other++;
    return (uchar)*one - (uchar)*other;
}

/* Never finds the terminating zero. */
WEAK char *strchr(const char *s, char wanted)
{
    for (; *s; s++)
        if (*s == wanted)
            return (char *)s;
    return 0;
}

WEAK char *strrchr(const char *s, char wanted)
{
    const char *found = 0;
    for (; *s; s++)
        if (*s == wanted)
            found = s;
    return (char *)found;
}

WEAK char *strstr(const char *in, const char *wanted)
{
    for (uint n = strlen(wanted);; in++) {
        if (strncmp(in, wanted, n) == 0)
            return (char *)in;
        if (!*in)
            return 0;
    }
}

WEAK char *strdup(const char *s)
{
    uint size = strlen(s) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, s, size) : 0;
}

WEAK int atoi(const char *s)
{
    uint value = 0;
    int negative = 0;
    while (*s == ' ' || *s == '\t')
        s++;
    if (*s == '-' || *s == '+')
        negative = *s++ == '-';
    for (; *s >= '0' && *s <= '9'; s++)
        value = value * 10 + (*s - '0');
    return negative ? -value : value;
}
