/* Program entry: argc in a0, argv in a1, and a stack. */
    .section .text.start, "ax"
    .globl _start
_start:
    mv      fp, zero
    mv      ra, zero
    tail    __start
