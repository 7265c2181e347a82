"""What gdb shows of Pagoda: values of its own types, processes, their regions; `.gdbinit` loads it.

Types are known by the names and fields that the kernel's debug information has.
"""

import contextlib
import gdb
import gdb.printing
import gdb.unwinder

# The kernel has the upper half of every address space.
KERNEL = 1 << 63
SUPERVISOR = 1

PROCESS = "kernel::proc::process::Process"
TABLE = "kernel::proc::table::TABLE"
HARTS = "kernel::arch::riscv64::hart::HARTS"


def unsigned(value):
    """A number or an address as Python has it."""
    return int(value) & (1 << 64) - 1


def static(name):
    """A static variable of the kernel, whatever language the program here is in."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError("the symbols of Pagoda's kernel are not loaded")
    return symbol.value()


def register(name):
    return unsigned(gdb.newest_frame().read_register(name))


@contextlib.contextmanager
def in_kernel():
    """The kernel's memory can be read, which QEMU refuses while the hart is in user mode."""
    before = int(gdb.parse_and_eval("$priv"))
    if before == SUPERVISOR:
        yield
        return
    gdb.execute("set $priv = %d" % SUPERVISOR)
    try:
        yield
    finally:
        gdb.execute("set $priv = %d" % before)


# Values without what only Rust needs around them.


def name_of(type):
    return type.strip_typedefs().name or ""


def variant(value):
    """Name and contents of the variant that a Rust enumeration has now."""
    fields = [field for field in value.type.fields() if not field.artificial]
    return fields[0].name, value[fields[0]]


def some(option):
    """What an Option holds, or None."""
    name, value = variant(option)
    return value["__0"] if name == "Some" else None


def bare(value):
    """The value in an atomic or a cell, any number of them around each other."""
    while True:
        name = name_of(value.type)
        if name.startswith("core::sync::atomic::AtomicPtr<"):
            value = value["p"]
        elif name.startswith("core::sync::atomic::Atomic"):
            value = value["v"]
        elif name.startswith(("core::cell::UnsafeCell<", "core::cell::Cell<")):
            value = value["value"]
        else:
            return value


def target(value):
    """The pointer in a KArc or KBox."""
    if name_of(value.type).startswith("kmalloc::karc::KArc<"):
        return value["value"]["pointer"]
    return value["__0"]


def elements(vector):
    """The elements of a KVec or an array."""
    if vector.type.code == gdb.TYPE_CODE_ARRAY:
        return [vector[at] for at in range(vector.type.range()[1] + 1)]
    vec = vector["__0"]
    type = vec.type.template_argument(0)
    first = vec["buf"]["inner"]["ptr"]["pointer"]["pointer"].cast(type.pointer())
    return [first[at] for at in range(int(vec["len"]))]


def references(arc):
    """How many KArcs share the value: the count stands before it."""
    pointer = arc["value"]["pointer"]
    word = gdb.lookup_type("usize")
    size = max(pointer.dereference().type.alignof, word.sizeof)
    return unsigned((pointer.cast(word) - size).cast(word.pointer()).dereference())


def locked(lock):
    """The value in a spin lock or a sleeping lock, and whether somebody holds it."""
    if name_of(lock.type).startswith("lock_api::"):
        return bare(lock["data"]), bool(bare(lock["raw"]["locked"]))
    return bare(lock["value"]), bool(locked(lock["raw"]["locked"])[0])


def text(name):
    """A process's name."""
    return bytes(int(name["bytes"][at]) for at in range(int(name["length"]))).decode("ascii", "replace")


# Printers.


class Bare:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        value = bare(self.value)
        if self.value.type.name.endswith("AtomicBool"):
            return "true" if value else "false"
        return value


class Pointer:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        pointer = target(self.value)
        what = pointer.type.strip_typedefs()
        if what.code != gdb.TYPE_CODE_PTR:
            return "to a value of a size known at run time"
        shared = ""
        if name_of(self.value.type).startswith("kmalloc::karc::KArc<"):
            count = references(self.value)
            shared = ", 1 reference" if count == 1 else ", %d references" % count
        return "(%s) %#x%s" % (what, unsigned(pointer), shared)


class Optional:
    """An Option: what it holds, or None."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        held = some(self.value)
        return "None" if held is None else held


class Vector:
    """A KVec; or an array of enumerations, for whose elements gdb takes the first one's variant."""

    def __init__(self, value):
        self.elements = elements(value)

    def to_string(self):
        return "%d elements" % len(self.elements)

    def children(self):
        return (("[%d]" % at, each) for at, each in enumerate(self.elements))

    def display_hint(self):
        return "array"


class Lock:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "locked" if locked(self.value)[1] else "free"

    def children(self):
        yield "value", locked(self.value)[0]


class Text:
    def __init__(self, value):
        self.value = value

    def to_string(self):
        return text(self.value)

    def display_hint(self):
        return "string"


def options(value):
    """The printer for arrays of options."""
    type = value.type.strip_typedefs()
    if type.code == gdb.TYPE_CODE_ARRAY and name_of(type.target()).startswith("core::option::"):
        return Vector(value)
    return None


def printers():
    all = gdb.printing.RegexpCollectionPrettyPrinter("pagoda")
    all.add_printer("cell", r"^core::(sync::atomic::Atomic|cell::(Unsafe)?Cell<)", Bare)
    all.add_printer("pointer", r"^kmalloc::(karc::KArc|kbox::KBox)<", Pointer)
    all.add_printer("option", r"^core::option::Option<", Optional)
    all.add_printer("KVec", r"^kmalloc::kvec::KVec<", Vector)
    all.add_printer("spin lock", r"^lock_api::mutex::Mutex<kernel::", Lock)
    all.add_printer("sleeping lock", r"^kernel::sync::sleep::SleepLock<", Lock)
    all.add_printer("name", r"^kernel::proc::process::Name$", Text)
    return all


# Processes.


def this_hart():
    """Of the hart whose thread is selected: in `tp`, or in `sscratch` while a program runs."""
    where = register("tp" if register("pc") >= KERNEL else "sscratch")
    harts = static(HARTS)
    return next((hart for hart in elements(harts) if unsigned(hart.address) == where), None)


def current():
    """The process of the selected hart as a pointer; null when it has none, None before boot."""
    hart = this_hart()
    return bare(hart["current"]) if hart is not None else None


def processes():
    """For each process a pointer, and its parent's number."""
    table = locked(static(TABLE))[0]
    entries = {}
    for number, piece in enumerate(elements(table["pieces"])):
        piece = some(piece)
        if piece is None:
            continue
        piece = target(piece).dereference()
        for at, entry in enumerate(elements(piece["entries"])):
            entry = some(entry)
            if entry is not None:
                entries[64 * number + at] = entry
    for entry in entries.values():
        parent = some(entry["parent"])
        parent = entries.get(int(parent)) if parent is not None else None
        pid = int(target(parent["process"])["pid"]) if parent is not None else 0
        yield target(entry["process"]), pid


def process(pid):
    """The process with this number."""
    for pointer, _ in processes():
        if int(pointer["pid"]) == pid:
            return pointer
    raise gdb.GdbError("there is no process %d" % pid)


# As `Process::state` has it.
STATES = ["ready", "sleep", "wait", "ended"]
ASLEEP = (1, 2)


def state(process):
    state = int(bare(process["state"]))
    if state == 0 and int(bare(process["presence"])) != 0:
        return "run on hart %d" % int(bare(process["last_hart"]))
    if state in ASLEEP:
        reasons = gdb.lookup_type("kernel::sync::awaited::Awaited").fields()
        awaited = int(bare(process["awaited"]))
        names = [field.name for field in reasons if field.enumval == awaited]
        return STATES[state] + ", for " + names[0].rpartition("::")[2]
    return STATES[state]


def regions(process):
    """The regions of a process's address space, by address."""
    space = some(locked(process["space"])[0])
    waiting, link = [], some(space["regions"]["root"]) if space is not None else None
    while waiting or link is not None:
        while link is not None:
            waiting.append(target(link).dereference())
            link = some(waiting[-1]["left"])
        node = waiting.pop()
        yield node["region"]
        link = some(node["right"])


def backing(region):
    """Where a region's pages come from."""
    name, value = variant(region["backing"])
    if name == "File":
        return "file from %#x" % int(value["offset"])
    return "shared" if name == "Shared" else ""


def rights(region):
    bits = region["prot"]
    while bits.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        bits = bits[bits.type.fields()[0]]
    return "".join(letter if int(bits) & bit else "-" for bit, letter in ((1, "r"), (2, "w"), (4, "x")))


# Commands and functions.


def reading(what):
    """Calls it where the kernel's memory can be read."""
    try:
        with in_kernel():
            return what()
    except gdb.MemoryError as error:
        raise gdb.GdbError("%s: has the kernel started?" % error)


class Pagoda(gdb.Command):
    """What Pagoda's kernel knows.

pagoda ps        all processes; `print *$process(PID)` shows one
pagoda pmap PID  the regions of a process's address space; without PID, of the selected hart's
pagoda kernel C  the command C, while the selected hart is in user mode and C reads the kernel's memory

Functions for expressions: $current() is the process of the selected hart, $process(PID) that with this
number, $parent(PROCESS) another one's parent, all as pointers; $inner(X) is what is in a KArc, KBox, lock
or cell."""

    def __init__(self):
        super().__init__("pagoda", gdb.COMMAND_STATUS, prefix=True)

    def invoke(self, _argument, _from_tty):
        gdb.execute("help pagoda")


class Ps(gdb.Command):
    """All processes: number, parent, resident pages, name, state."""

    def __init__(self):
        super().__init__("pagoda ps", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        print("  PID PARENT  PAGES NAME             STATE")
        for line in reading(lambda: [self.line(*each) for each in processes()]):
            print(line)

    def line(self, process, parent):
        pages = int(bare(process["resident"]))
        name = text(locked(process["name"])[0])
        return "%5d %6d %6d %-16s %s" % (int(process["pid"]), parent, pages, name, state(process))


class Pmap(gdb.Command):
    """The regions of the address space of a process: pagoda pmap PID.
Without a number, of the process that the selected hart runs."""

    def __init__(self):
        super().__init__("pagoda pmap", gdb.COMMAND_STATUS)

    def invoke(self, argument, _from_tty):
        for line in reading(lambda: self.lines(argument)):
            print(line)

    def lines(self, argument):
        pointer = process(int(gdb.parse_and_eval(argument))) if argument else running()
        lines = ["%s %s" % (int(pointer["pid"]), text(locked(pointer["name"])[0]))]
        lines.append("         start            end  pages prot kind")
        for region in regions(pointer):
            start, end = int(region["start"]), int(region["end"])
            kind = str(region["kind"]).rpartition("::")[2]
            rest = rights(region), kind, backing(region)
            lines.append(("%14x %14x %6d %s  %s %s" % (start, end, end - start >> 12, *rest)).rstrip())
        return lines


def running():
    """The process of the selected hart, or an error."""
    pointer = current()
    if not pointer:
        raise gdb.GdbError("this hart runs no process; `info threads` lists the harts")
    return pointer


class Kernel(gdb.Command):
    """Does a command of gdb's where the kernel's memory can be read: pagoda kernel print *$current().
Only needed while the selected hart is in user mode."""

    def __init__(self):
        super().__init__("pagoda kernel", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        reading(lambda: gdb.execute(argument, from_tty))


class Function(gdb.Function):
    """A function for expressions."""

    def __init__(self, name, what):
        super().__init__(name)
        self.what = what

    def invoke(self, *arguments):
        return reading(lambda: self.what(*arguments))


def parent(pointer):
    pid = int(pointer["pid"])
    for other, number in processes():
        if int(other["pid"]) == pid and number == 0:
            raise gdb.GdbError("process %d has no parent" % pid)
        if int(other["pid"]) == pid:
            return process(number)
    raise gdb.GdbError("there is no process %d in the table" % pid)


def inner(value):
    name = name_of(value.type)
    if name.startswith(("kmalloc::karc::KArc<", "kmalloc::kbox::KBox<")):
        return target(value).dereference()
    if name.startswith(("lock_api::mutex::Mutex<", "kernel::sync::sleep::SleepLock<")):
        return locked(value)[0]
    return bare(value)


# Breakpoints in programs: all programs have the same addresses.


class Only(gdb.Command):
    """Breakpoints that are set in programs from now on stop in the program NAME alone: pagoda only NAME.
The command `user` calls it. A condition that a breakpoint has besides is kept."""

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
        """The name of the function that tells whether the selected hart runs this program."""
        name = "in_" + "".join(c if c.isalnum() else "_" for c in program)
        if name not in Only.functions:
            Function(name, lambda: runs(program))
            Only.functions.add(name)
        return name


def runs(program):
    pointer = current()
    # Only the first bytes of a name are kept.
    return bool(pointer) and text(locked(pointer["name"])[0]) == program[:16]


class FrameId:
    """A frame, as gdb tells it from others."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class Entry(gdb.unwinder.Unwinder):
    """From the kernel's trap handler to what was interrupted, by the registers that the entry saves."""

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


ENTRY = "kernel::arch::riscv64::trap::entry"
# In the order of the trap frame; the program counter follows.
REGISTERS = ["ra", "sp", "gp", "tp", "t0", "t1", "t2", "fp", "s1"]
REGISTERS += ["a%d" % n for n in range(8)] + ["s%d" % n for n in range(2, 12)] + ["t%d" % n for n in range(3, 7)]

gdb.pretty_printers.append(options)
gdb.unwinder.register_unwinder(None, Entry(), replace=True)
gdb.printing.register_pretty_printer(None, printers(), replace=True)
for command in (Pagoda, Ps, Pmap, Kernel, Only):
    command()
Function("current", running)
Function("process", lambda pid: process(int(pid)))
Function("parent", parent)
Function("inner", inner)
