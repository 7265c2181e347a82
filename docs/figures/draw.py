#!/usr/bin/env python3
"""Draws the figures of the tour: docs/figures/draw.py writes the SVG files beside it.

Colours follow the reader's light or dark mode, the ground with them, so that a figure is legible on
any page."""

from html import escape
from pathlib import Path

CHAR, LINE = 7.3, 17  # of the 12 px monospaced font
GAP = 22  # between two boxes

STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328; font: 12px ui-monospace, monospace }
  .note { fill: #59636e } .head { font-weight: bold }
  .box { fill: #ddf4ff; stroke: #0969da } .far { fill: #fff1e5; stroke: #bc4c00 }
  .frame { fill: #dafbe1; stroke: #1a7f37 } .arrow { fill: none; stroke: #59636e }
  .lane { stroke: #d1d9e0 } .tip { fill: #59636e }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 }
    .box { fill: #121d2f; stroke: #4493f8 } .far { fill: #221a19; stroke: #db6d28 }
    .frame { fill: #12261e; stroke: #3fb950 } .arrow { stroke: #9198a1 }
    .lane { stroke: #3d444d } .tip { fill: #9198a1 }
  }
"""


class Figure:
    def __init__(self, name, title):
        self.name, self.title, self.parts = name, title, []

    def text(self, x, y, text, kind="", anchor="middle"):
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" class="{kind}">{escape(text)}</text>'
        )

    def box(self, x, y, width, lines, kind="box"):
        """A box around lines of text, the first of them plain and the others notes; its height."""
        height = LINE * len(lines) + 10
        longest = max(len(line) for line in lines) * CHAR
        assert longest <= width - 6, f"{self.name}: {lines} does not fit {width}"
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" class="{kind}"/>'
        )
        for i, line in enumerate(lines):
            self.text(x + width / 2, y + LINE * (i + 1), line, "note" if i else "")
        return height

    def arrow(self, *points):
        path = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path d="{path}" class="arrow" marker-end="url(#tip)"/>')

    def write(self, width, height):
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            f'width="{width:g}" height="{height:g}" role="img" aria-label="{escape(self.title)}">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n"
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
            'markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z" class="tip"/></marker></defs>\n'
            '<rect width="100%" height="100%" rx="8" class="ground"/>\n'
        )
        out = Path(__file__).with_name(f"{self.name}.svg")
        out.write_text(head + "\n".join(self.parts) + "\n</svg>\n")


def lanes(name, title, heads, steps):
    """A path through lanes, from the top down. A step is its lane and its lines of text, and
    perhaps the kind of its box."""
    widths = [len(head) for head in heads]
    for lane, lines, *_ in steps:
        widths[lane] = max(widths[lane], *(len(line) for line in lines))
    widths = [width * CHAR + 34 for width in widths]
    left = [8 + sum(widths[:i]) for i in range(len(widths))]
    figure = Figure(name, title)
    y, before = 50, None
    for lane, lines, *kind in steps:
        x, width = left[lane] + 10, widths[lane] - 20
        height = figure.box(x, y, width, lines, *kind)
        if before:
            of, bx, by, bw, bh = before
            middle = x + width / 2
            if of == lane:
                figure.arrow((middle, by + bh), (middle, y - 1))
            else:
                side = bx + bw if lane > of else bx
                figure.arrow((side, by + bh / 2), (middle, by + bh / 2), (middle, y - 1))
        before = (lane, x, y, width, height)
        y += height + GAP
    for head, x, width in zip(heads, left, widths):
        figure.text(x + width / 2, 26, head, "head")
        if x > 8:
            figure.parts.insert(
                0, f'<line x1="{x:g}" y1="12" x2="{x:g}" y2="{y - 10:g}" class="lane"/>'
            )
    figure.write(left[-1] + widths[-1] + 8, y)


def page():
    """The entries of parent and child and the frames that they name, after each event."""
    figure = Figure("page", "The life of a page: what parent and child map after each event")
    heads = [(130, "event"), (360, "parent's entry"), (530, "frames"), (700, "child's entry")]
    for x, head in heads:
        figure.text(x, 26, head, "head")
    rows = [
        (["parent stores", "fault: zero_fill"], "r w", [("A", 1)], None),
        (["fork", "PageTable::copy_range"], "r -", [("A", 2)], "r -"),
        (["child stores", "protection_fault: copy"], "r -", [("A", 1), ("B", 1)], "r w"),
        (["parent stores", "protection_fault: last owner"], "r w", [("A", 1), ("B", 1)], "r w"),
        (["child exits", "PageTable::tear_down"], "r w", [("A", 1), ("B", 0)], None),
    ]
    y = 46
    for event, parent, frames, child in rows:
        height = 34 + 40 * (len(frames) - 1)
        middle = y + height / 2
        figure.text(20, middle - 3, event[0], anchor="start")
        figure.text(20, middle + 14, event[1], "note", anchor="start")
        places = {}
        for i, (frame, refs) in enumerate(frames):
            count = f"{refs} ref" + ("" if refs == 1 else "s")
            kind = "frame" if refs else "far"
            figure.box(470, y + 40 * i, 120, [f"{frame}: {count if refs else 'free'}"], kind)
            places[frame] = y + 40 * i + 13.5
        first, last = places["A"], places[frames[-1][0]]
        figure.box(310, first - 13.5, 100, [f"{parent}  A"])
        figure.arrow((410, first), (469, first))
        if child:
            own = frames[-1][0]
            figure.box(650, last - 13.5, 100, [f"{child}  {own}"])
            figure.arrow((650, last), (591, last))
        y += height + 22
        figure.parts.append(
            f'<line x1="20" y1="{y - 14:g}" x2="760" y2="{y - 14:g}" class="lane"/>'
        )
    figure.parts.pop()
    figure.write(780, y - 6)


page()

lanes(
    "call",
    "The life of a system call: read of a cached file",
    ["program", "arch/riscv64", "trap.rs", "syscall", "fs, mm"],
    [
        (0, ["ulib::sys::read", "number in a7, ecall"]),
        (1, ["trap::entry", "saves registers", "trap::from_user"]),
        (2, ["trap_from_user", "interrupts on"]),
        (3, ["dispatch", "skip_ecall, Sys::from_number"]),
        (3, ["perform", "file::read"]),
        (4, ["File::read", "Inode::read"]),
        (4, ["UserRange::write", "to the program"]),
        (1, ["usercopy::copy", "a fault may come here"], "far"),
        (3, ["dispatch", "frame.set_result: a0"]),
        (2, ["trap_from_user", "need_resched: yield_now", "killed: exit"]),
        (1, ["return_to_user", "loads registers, sret"]),
        (0, ["the count, or -1"]),
    ],
)

lanes(
    "switch",
    "The life of a thread switch: A waits, B runs, B wakes A",
    ["thread A, hart 0", "sched/run.rs", "thread B, hart 0", "thread A, hart 1"],
    [
        (0, ["WaitQueue::wait", "wait_after: prepare_to_wait,", "push, then unlock"]),
        (1, ["block", "pick_next: B"]),
        (1, ["switch_to(B)", "switch_in, asid::enter: satp", "set_running"]),
        (1, ["arch switch", "saves A, loads B"], "far"),
        (2, ["finish_switch", "A.switch_out: Sleeps"]),
        (2, ["WaitQueue::wake_all", "wake(A): RunState::wake"]),
        (1, ["enqueue(A)", "kick_idle_hart: IPI"]),
        (3, ["idle_loop: pick_next", "switch_to(A), switch"], "far"),
        (3, ["finish_switch", "back in WaitQueue::wait", "takes the lock again"]),
    ],
)

lanes(
    "write",
    "The life of a file write: the running transaction, the cached page, and later the disk",
    ["syscall, fs", "crates/xv6fs", "dev/disk.rs", "the disk has"],
    [
        (0, ["file::write", "File::write: offset lock"]),
        (0, ["write_inode", "user bytes to a buffer"]),
        (0, ["Inode::write", "file system lock"]),
        (1, ["Fs::write, transaction", "write_data: pinned blocks"]),
        (0, ["Inode::write", "Object::write: cached pages", "size grows; the call returns"]),
        (0, ["writeback", "the machine idles, or 5 s later"]),
        (1, ["Fs::checkpoint", "Log::commit"]),
        (2, ["write, flush", "transfer sleeps"]),
        (3, ["copies in the log", "crash here: old"], "frame"),
        (2, ["write, flush"]),
        (3, ["the log's header", "crash from here on: new"], "far"),
        (1, ["Log::checkpoint", "Cache::write_home"]),
        (2, ["write, flush"]),
        (3, ["blocks at home"], "frame"),
        (2, ["write"]),
        (3, ["the header cleared"], "frame"),
    ],
)
