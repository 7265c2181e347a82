/* Calls main, then exit. */
#include "runtime.h"

int main(int argc, char **argv);

/* Defined by the linker for programs with a void main. */
extern char __main_is_void[] __attribute__((weak));

__attribute__((noreturn)) void __start(int argc, char **argv)
{
    int status = main(argc, argv);
    __sys_exit(__main_is_void ? 0 : status);
}
