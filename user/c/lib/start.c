/* From the first instruction to main, and from main's end to the end of the process. */
#include "runtime.h"

int main(int argc, char **argv);

/* The linker is told to define this for a program whose main returns nothing. */
extern char __main_is_void[] __attribute__((weak));

__attribute__((noreturn)) void __start(int argc, char **argv)
{
    int status = main(argc, argv);
    __sys_exit(__main_is_void ? 0 : status);
}
