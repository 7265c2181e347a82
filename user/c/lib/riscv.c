/* Functions of the riscv dialect only. */
#include "runtime.h"

WEAK void printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    __print(1, POINTER_0X16, format, arguments);
    va_end(arguments);
}

WEAK void vprintf(int fd, const char *format, va_list arguments)
{
    __print(fd, POINTER_0X16, format, arguments);
}

WEAK void fprintf(int fd, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    __print(fd, POINTER_0X16, format, arguments);
    va_end(arguments);
}

WEAK int stat(const char *path, struct __stat *stat)
{
    int fd = __sys_open(path, 0);
    if (fd < 0)
        return -1;
    int result = __sys_fstat(fd, stat);
    __sys_close(fd);
    return result;
}

WEAK int pause(int ticks)
{
    return __sys_sleep(ticks);
}

/* Returns null when out of memory, as xv6's kernel function does. */
WEAK void *kmalloc(uint bytes)
{
    void *object = __sys_kmalloc(bytes);
    return object == (void *)-1 ? 0 : object;
}

WEAK void kmfree(void *object)
{
    __sys_kfree(object);
}
