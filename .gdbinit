# For `make qemu-gdb`: with that running, `gdb-multiarch -nx -x .gdbinit` in the same directory.
#
# The script that `make qemu-gdb` writes loads the kernel's symbols, connects, and defines a command:
#   user NAME    adds the symbols of that user program (all programs start at 0); breakpoints set in
#                it stop no other program
# scripts/gdb has pretty-printers for the kernel's types; `help pagoda` lists its commands.
#
# The machine waits before the firmware's first instruction, without page tables: `hbreak kernel::start`,
# then `continue`.
set confirm off
set pagination off
set disassemble-next-line auto
# gdb's own functions are in Python where it has that.
if $_isvoid($_streq)
  echo This gdb has no Python: no pagoda commands, breakpoints in a program stop others too.\n
else
  source scripts/gdb/values.py
  source scripts/gdb/processes.py
  source scripts/gdb/programs.py
end
source target/pagoda/connect.gdb
