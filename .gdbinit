# For `make qemu-gdb`: with that running, `gdb-multiarch -nx -x .gdbinit` in the same directory.
#
# The script that `make qemu-gdb` leaves loads the kernel's symbols, connects, and defines a command:
#   user NAME    the symbols of that user program beside the kernel's (all programs start at 0)
#
# The machine waits before the firmware's first instruction, without page tables: `hbreak kernel::start`,
# then `continue`.
set confirm off
set pagination off
set disassemble-next-line auto
source target/pagoda/connect.gdb
