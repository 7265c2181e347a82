"""Pretty-printers for Pagoda's types.

`.gdbinit` reads the files of this directory one after the other; each may use what stands in the ones before.
Types are known by the names and fields that the kernel's debug information has.
"""

import gdb
import gdb.printing


def unsigned(value):
    """An integer or address as a Python int."""
    return int(value) & (1 << 64) - 1


def name_of(type):
    return type.strip_typedefs().name or ""


def variant(value):
    """Name and contents of a Rust enum's active variant."""
    fields = [field for field in value.type.fields() if not field.artificial]
    return fields[0].name, value[fields[0]]


def some(option):
    """The value of an Option, or None."""
    name, value = variant(option)
    return value["__0"] if name == "Some" else None


def bare(value):
    """The value in an atomic or cell, at any nesting depth."""
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
    if name_of(value.type).startswith("fallible::karc::KArc<"):
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
    """A KArc's reference count, which precedes the value."""
    pointer = arc["value"]["pointer"]
    word = gdb.lookup_type("usize")
    size = max(pointer.dereference().type.alignof, word.sizeof)
    return unsigned((pointer.cast(word) - size).cast(word.pointer()).dereference())


def locked(lock):
    """The value in a spin or sleeping lock, and whether it is held."""
    if name_of(lock.type).startswith("lock_api::"):
        return bare(lock["data"]), bool(bare(lock["raw"]["locked"]))
    mutex = lock["__0"]
    return bare(mutex["data"]), bool(bare(mutex["raw"]["state"]))


def text(name):
    """A process's name."""
    return bytes(int(name["bytes"][at]) for at in range(int(name["length"]))).decode("ascii", "replace")


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
        if name_of(self.value.type).startswith("fallible::karc::KArc<"):
            count = references(self.value)
            shared = ", 1 reference" if count == 1 else ", %d references" % count
        return "(%s) %#x%s" % (what, unsigned(pointer), shared)


class Optional:
    """An Option: its value, or None."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        held = some(self.value)
        return "None" if held is None else held


class Vector:
    """A KVec; or an array of enums, for which gdb uses the first element's variant for all."""

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
    all.add_printer("pointer", r"^fallible::(karc::KArc|kbox::KBox)<", Pointer)
    all.add_printer("option", r"^core::option::Option<", Optional)
    all.add_printer("KVec", r"^fallible::kvec::KVec<", Vector)
    all.add_printer("spin lock", r"^lock_api::mutex::Mutex<kernel::", Lock)
    all.add_printer("sleeping lock", r"^kernel::sched::sleep::SleepLock<", Lock)
    all.add_printer("name", r"^kernel::proc::process::Name$", Text)
    return all


gdb.pretty_printers.append(options)
gdb.printing.register_pretty_printer(None, printers(), replace=True)
