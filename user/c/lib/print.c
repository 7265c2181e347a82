/* The printf family: %d %i %u %x %X %o %p %s %c %%, the lengths h l ll z, the flags - 0 + and
 * space, widths and precisions, * for either. Hexadecimal digits are upper case, as in xv6; a null
 * string prints as (null). Unknown conversions are printed literally. */
#include "runtime.h"
#include <pagoda/extra.h>

/* The output: a file, buffered, or memory with a size limit. */
struct sink {
    int fd;
    char *memory;
    uint room;
    uint written;
    uint waiting;
    char buffer[128];
};

/* A conversion specification. */
struct conversion {
    int left, zeros, length, width, precision;
    char sign;
};

/* A sign or prefix, then digits. */
struct number {
    uint64 value;
    uint base;
    int fewest;
    const char *prefix;
};

static void flush(struct sink *sink)
{
    uint done = 0;
    while (done < sink->waiting) {
        long n = __sys_write(sink->fd, sink->buffer + done, sink->waiting - done);
        if (n <= 0)
            break;
        done += n;
    }
    sink->waiting = 0;
}

static void put(struct sink *sink, char c)
{
    if (sink->memory) {
        if (sink->written + 1 < sink->room)
            sink->memory[sink->written] = c;
    } else {
        sink->buffer[sink->waiting++] = c;
        if (sink->waiting == sizeof sink->buffer)
            flush(sink);
    }
    sink->written++;
}

static void pad(struct sink *sink, char with, int times)
{
    while (times-- > 0)
        put(sink, with);
}

static void put_text(struct sink *sink, struct conversion *how, const char *text)
{
    int n = 0;
    if (!text)
        text = "(null)";
    while ((how->precision < 0 || n < how->precision) && text[n])
        n++;
    if (!how->left)
        pad(sink, ' ', how->width - n);
    for (int i = 0; i < n; i++)
        put(sink, text[i]);
    if (how->left)
        pad(sink, ' ', how->width - n);
}

static void put_number(struct sink *sink, struct conversion *how, struct number number)
{
    char digits[22];
    int n = 0, fewest = number.fewest, prefix = strlen(number.prefix);
    do {
        digits[n++] = "0123456789ABCDEF"[number.value % number.base];
        number.value /= number.base;
    } while (number.value);
    if (how->precision > fewest)
        fewest = how->precision;
    else if (how->zeros && !how->left && how->precision < 0 && how->width - prefix > fewest)
        fewest = how->width - prefix;
    int zeros = fewest > n ? fewest - n : 0;
    int blanks = how->width - prefix - zeros - n;
    if (!how->left)
        pad(sink, ' ', blanks);
    for (const char *c = number.prefix; *c; c++)
        put(sink, *c);
    pad(sink, '0', zeros);
    while (n > 0)
        put(sink, digits[--n]);
    if (how->left)
        pad(sink, ' ', blanks);
}

/* Reads a number, or takes an argument for *. */
static const char *amount(const char *format, int *value, va_list *arguments)
{
    if (*format == '*') {
        *value = va_arg(*arguments, int);
        return format + 1;
    }
    *value = 0;
    for (; *format >= '0' && *format <= '9'; format++)
        if (*value < 1000)
            *value = *value * 10 + (*format - '0');
    return format;
}

/* Parses the specification between % and the letter. */
static const char *read_conversion(const char *format, struct conversion *how, va_list *arguments)
{
    *how = (struct conversion){ .precision = -1 };
    for (;; format++) {
        if (*format == '-')
            how->left = 1;
        else if (*format == '0')
            how->zeros = 1;
        else if (*format == '+' || (*format == ' ' && !how->sign))
            how->sign = *format;
        else
            break;
    }
    format = amount(format, &how->width, arguments);
    if (how->width < 0) {
        how->left = 1;
        how->width = -how->width;
    }
    if (*format == '.')
        format = amount(format + 1, &how->precision, arguments);
    for (; *format == 'l' || *format == 'z' || *format == 'h'; format++)
        if (*format != 'h')
            how->length = 1;
    return format;
}

static void put_signed(struct sink *sink, struct conversion *how, va_list *arguments)
{
    int64 value = how->length ? va_arg(*arguments, int64) : va_arg(*arguments, int);
    char prefix[2] = { value < 0 ? '-' : how->sign, 0 };
    uint64 magnitude = value < 0 ? -(uint64)value : (uint64)value;
    put_number(sink, how, (struct number){ magnitude, 10, 1, prefix });
}

static void put_unsigned(struct sink *sink, struct conversion *how, uint base, va_list *arguments)
{
    uint64 value = how->length ? va_arg(*arguments, uint64) : va_arg(*arguments, uint);
    put_number(sink, how, (struct number){ value, base, 1, "" });
}

static void put_pointer(struct sink *sink, struct conversion *how, enum __pointers pointers,
                        va_list *arguments)
{
    uint64 value = va_arg(*arguments, uint64);
    if (pointers == POINTER_0X16)
        put_number(sink, how, (struct number){ value, 16, 16, "0x" });
    else
        put_number(sink, how, (struct number){ value, 16, 1, "" });
}

static void print(struct sink *sink, enum __pointers pointers, const char *format, va_list *arguments)
{
    struct conversion how;
    for (; *format; format++) {
        if (*format != '%') {
            put(sink, *format);
            continue;
        }
        const char *start = format;
        format = read_conversion(format + 1, &how, arguments);
        switch (*format) {
        case 'd':
        case 'i':
            put_signed(sink, &how, arguments);
            break;
        case 'u':
            put_unsigned(sink, &how, 10, arguments);
            break;
        case 'x':
        case 'X':
            put_unsigned(sink, &how, 16, arguments);
            break;
        case 'o':
            put_unsigned(sink, &how, 8, arguments);
            break;
        case 'p':
            put_pointer(sink, &how, pointers, arguments);
            break;
        case 's':
            put_text(sink, &how, va_arg(*arguments, const char *));
            break;
        case 'c': {
            char c = va_arg(*arguments, int);
            if (!how.left)
                pad(sink, ' ', how.width - 1);
            put(sink, c);
            if (how.left)
                pad(sink, ' ', how.width - 1);
            break;
        }
        case '%':
            put(sink, '%');
            break;
        default:
            put(sink, *start);
            format = start;
        }
    }
}

void __print(int fd, enum __pointers pointers, const char *format, va_list arguments)
{
    struct sink sink = { .fd = fd };
    va_list copy;
    va_copy(copy, arguments);
    print(&sink, pointers, format, &copy);
    va_end(copy);
    flush(&sink);
}

/* Stores what fits, zero-terminated, and returns the full length. */
WEAK int vsnprintf(char *to, uint room, const char *format, va_list arguments)
{
    char nothing;
    struct sink sink = { .memory = room ? to : &nothing, .room = room };
    va_list copy;
    va_copy(copy, arguments);
    print(&sink, POINTER_0X16, format, &copy);
    va_end(copy);
    if (room)
        to[sink.written < room ? sink.written : room - 1] = 0;
    return sink.written;
}

WEAK int snprintf(char *to, uint room, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, room, format, arguments);
    va_end(arguments);
    return length;
}

WEAK int sprintf(char *to, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(to, 0x7fffffff, format, arguments);
    va_end(arguments);
    return length;
}
