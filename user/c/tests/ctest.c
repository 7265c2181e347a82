/* The runtime of the riscv dialect: what printf prints, what malloc gives, what strings do. */
#include "kernel/types.h"
#include "kernel/stat.h"
#include "user/user.h"

int main(int argc, char *argv[])
{
    printf("hello %d %s %p\n", argc, argv[0], argv);
    exit(0);
}
