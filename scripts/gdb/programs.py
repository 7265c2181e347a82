"""Debugging user programs: breakpoints for one program, and backtraces from the kernel into programs."""

import gdb
import gdb.unwinder


class Only(gdb.Command):
    """Restricts new breakpoints in programs to the program NAME: pagoda only NAME.
The command `user` calls it. Other conditions of a breakpoint are kept."""

    name = None
    functions = set()

    def __init__(self):
        super().__init__("pagoda only", gdb.COMMAND_BREAKPOINTS)
        gdb.events.breakpoint_created.connect(self.created)

    def invoke(self, argument, _from_tty):
        Only.name = argument.strip() or None

    def created(self, breakpoint):
        if not Only.name or not breakpoint.visible or not breakpoint.location:
            return
        if not self.in_program(breakpoint.location):
            return
        condition = "$%s()" % self.function(Only.name)
        if breakpoint.condition:
            condition += " && (%s)" % breakpoint.condition
        breakpoint.condition = condition

    def in_program(self, location):
        try:
            places = gdb.decode_line(location)[1] or ()
        except gdb.error:
            return False
        return any(place.pc is not None and place.pc < KERNEL for place in places)

    def function(self, program):
        """The name of the convenience function that is true if the selected hart runs this program."""
        name = "in_" + "".join(c if c.isalnum() else "_%x" % ord(c) for c in program)
        if name not in Only.functions:
            Function(name, lambda: runs(program))
            Only.functions.add(name)
        return name


def runs(program):
    pointer = current()
    # Names are truncated.
    return bool(pointer) and text(locked(pointer["name"])[0]) == program[:16]


ENTRY = "kernel::arch::riscv64::trap::entry"
# In trap-frame order; pc follows.
REGISTERS = ["ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1"]
REGISTERS += ["a%d" % n for n in range(8)] + ["s%d" % n for n in range(2, 12)] + ["t%d" % n for n in range(3, 7)]


class FrameId:
    """A frame ID."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Entry(gdb.unwinder.Unwinder):
    """Unwinds from the trap handler to the interrupted code, by the saved registers."""

    def __init__(self):
        super().__init__("pagoda trap entry")
        self.known = {}

    def __call__(self, frame):
        pc = unsigned(frame.read_register("pc"))
        if pc < KERNEL or not self.is_entry(pc):
            return None
        word = gdb.lookup_type("u64").pointer()
        saved = gdb.Value(unsigned(frame.read_register("sp"))).cast(word)
        info = frame.create_unwind_info(FrameId(saved, frame.read_register("pc")))
        for number, name in enumerate(REGISTERS):
            info.add_saved_register(name, saved[number])
        info.add_saved_register("pc", saved[len(REGISTERS)])
        return info

    def is_entry(self, pc):
        if pc not in self.known:
            symbol = gdb.execute("info symbol %#x" % pc, to_string=True)
            self.known[pc] = symbol.startswith(ENTRY)
        return self.known[pc]


Only()
gdb.unwinder.register_unwinder(None, Entry(), replace=True)
