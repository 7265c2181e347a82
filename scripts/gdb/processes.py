"""Processes of Pagoda's kernel: the commands `pagoda …`, and functions for expressions."""

import contextlib
import gdb

# The kernel is the upper half of every address space.
KERNEL = 1 << 63
SUPERVISOR = 1

TABLE = "kernel::proc::table::TABLE"
HARTS = "kernel::arch::riscv64::hart::HARTS"


def static(name):
    """A static variable of the kernel, whatever the current language."""
    symbol = gdb.lookup_global_symbol(name) or gdb.lookup_static_symbol(name)
    if symbol is None:
        raise gdb.GdbError("the symbols of Pagoda's kernel are not loaded")
    return symbol.value()


def register(name):
    return unsigned(gdb.newest_frame().read_register(name))


@contextlib.contextmanager
def in_kernel():
    """Makes kernel memory readable, which QEMU refuses while the hart is in user mode."""
    if gdb.selected_thread() is None:
        raise gdb.GdbError("no machine is connected")
    before = int(gdb.parse_and_eval("$priv"))
    if before == SUPERVISOR:
        yield
        return
    gdb.execute("set $priv = %d" % SUPERVISOR)
    try:
        yield
    finally:
        gdb.execute("set $priv = %d" % before)


def this_hart():
    """Of the hart whose thread is selected: in `tp`, or in `sscratch` while a program runs."""
    where = register("tp" if register("pc") >= KERNEL else "sscratch")
    harts = static(HARTS)
    return next((hart for hart in elements(harts) if unsigned(hart.address) == where), None)


def current():
    """The process of the selected hart as a pointer; null when it has none, None before boot."""
    hart = this_hart()
    if hart is None:
        return None
    pointer = bare(hart["owner"])
    return pointer.cast(gdb.lookup_type("kernel::proc::process::Process").pointer())


def thread(process):
    return target(process["thread"]).dereference()


def mm(process):
    return target(process["mm"]).dereference()


def number_of(process):
    return int(process["identity"]["pid"])


def processes():
    """A pointer to each process, and its parent's ID."""
    table = locked(static(TABLE))[0]
    entries = {}
    for number, chunk in enumerate(elements(table["slots"]["chunks"])):
        chunk = some(chunk)
        if chunk is None:
            continue
        chunk = target(chunk).dereference()
        entries_of_chunk = elements(chunk["entries"])
        for at, entry in enumerate(map(some, entries_of_chunk)):
            if entry is not None:
                entries[len(entries_of_chunk) * number + at] = entry
    for entry in entries.values():
        parent = some(entry["parent"])
        parent = entries.get(int(parent)) if parent is not None else None
        pid = number_of(target(parent["process"])) if parent is not None else 0
        yield target(entry["process"]), pid


def process(pid):
    """The process with this ID."""
    for pointer, _ in processes():
        if number_of(pointer) == pid:
            return pointer
    raise gdb.GdbError("no process %d" % pid)


# As `RunState` of the crate `threads` has it.
STATES = ["ready", "sleep", "wait", "ended"]
ASLEEP = (1, 2)


def state(process):
    its = thread(process)
    state = int(bare(its["run"]["state"]))
    if state == 0 and int(bare(its["run"]["stack"])) != 0:
        return "run on hart %d" % int(bare(its["last_hart"]))
    if state in ASLEEP:
        channels = gdb.lookup_type("kernel::sched::wchan::Wchan").fields()
        wchan = int(bare(its["wchan"]))
        names = [field.name for field in channels if field.enumval == wchan]
        return STATES[state] + ", for " + names[0].rpartition("::")[2]
    return STATES[state]


def regions(process):
    """The regions of a process's address space, by address."""
    space = some(locked(mm(process)["space"])[0])
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
    window = some(region["window"])
    if window is None:
        return ""
    window = target(window).dereference()
    if window["shared"]:
        return "shared"
    offset = int(region["start"]) - int(window["mapped"]["delta"])
    return "file from %#x" % (offset % (1 << 64))


def rights(region):
    bits = region["prot"]
    while bits.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        bits = bits[bits.type.fields()[0]]
    return "".join(letter if int(bits) & bit else "-" for bit, letter in ((1, "r"), (2, "w"), (4, "x")))


def reading(what):
    """Calls it with kernel memory readable."""
    try:
        with in_kernel():
            return what()
    except gdb.MemoryError as error:
        raise gdb.GdbError("%s: has the kernel started?" % error)
    except gdb.error as error:
        raise gdb.GdbError(str(error))


class Pagoda(gdb.Command):
    """Commands for Pagoda's kernel.

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
    """All processes: ID, parent, resident pages, name, state."""

    def __init__(self):
        super().__init__("pagoda ps", gdb.COMMAND_STATUS)

    def invoke(self, _argument, _from_tty):
        lines = reading(lambda: [self.line(*each) for each in processes()])
        print("  PID PARENT  PAGES NAME             STATE")
        for line in lines:
            print(line)

    def line(self, process, parent):
        table = some(locked(mm(process)["table"])[0])
        pages = int(bare(target(table).dereference()["resident"]["__0"])) if table is not None else 0
        name = text(locked(process["name"])[0])
        return "%5d %6d %6d %-16s %s" % (number_of(process), parent, pages, name, state(process))


class Pmap(gdb.Command):
    """The regions of a process: pagoda pmap PID.
Without an ID, of the process that the selected hart runs."""

    def __init__(self):
        super().__init__("pagoda pmap", gdb.COMMAND_STATUS)

    def invoke(self, argument, _from_tty):
        for line in reading(lambda: self.lines(argument)):
            print(line)

    def lines(self, argument):
        pointer = process(int(gdb.parse_and_eval(argument))) if argument else running()
        lines = ["%s %s" % (number_of(pointer), text(locked(pointer["name"])[0]))]
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
    """Runs a gdb command with kernel memory readable: pagoda kernel print *$current().
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
    pid = number_of(pointer)
    for other, number in processes():
        if number_of(other) == pid and number == 0:
            raise gdb.GdbError("process %d has no parent" % pid)
        if number_of(other) == pid:
            return process(number)
    raise gdb.GdbError("no process %d in the table" % pid)


def inner(value):
    name = name_of(value.type)
    if name.startswith(("fallible::karc::KArc<", "fallible::kbox::KBox<")):
        return target(value).dereference()
    if name.startswith(("lock_api::mutex::Mutex<", "kernel::sched::sleep::SleepLock<")):
        return locked(value)[0]
    return bare(value)


for command in (Pagoda, Ps, Pmap, Kernel):
    command()
Function("current", running)
Function("process", lambda pid: process(int(pid)))
Function("parent", parent)
Function("inner", inner)
