//! Giving back parts of memory when no page is free: it must not fail, and nothing else may change.

use crate::hogs::all_back;
use abi::{Advice, MapFlags, PAGE_SIZE, Prot};
use core::array;
use harness::{Outcome, Stay, Test, available, ends_with, fill, grow_touched, map, peek, tests};
use ulib::sys;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "give-back-pages" = pages,
    "give-back-large-pages" = large_pages,
    "give-back-common-tables" = common_tables,
    "give-back-common-large-pages" = common_large_pages,
    "give-back-shared-memory" = shared_memory,
    "give-back-read-only-pages" = read_only_pages,
    "give-back-forbidden-pages" = forbidden_pages,
    "give-back-untouched-pages" = untouched_pages,
    "give-back-heap" = own_heap,
    "give-back-common-heap" = common_heap;
    slow:;
};

/// Pages in 2 MiB.
const BLOCK: usize = 512;
/// Pages of the memory of which parts go.
const ALL: usize = 4 * BLOCK;

/// A kind of memory.
#[derive(Clone, Copy)]
struct Kind {
    flags: MapFlags,
    /// Whether its pages are written, from the second one of each 2 MiB on or from the first.
    written: Option<usize>,
    /// What may be done with it in the end.
    prot: Prot,
    /// Whether a child has it too.
    forked: bool,
    /// How many of [`UNMAPPED`] can go: what frees no page finds no memory for a second region record.
    unmapped: usize,
}

const PAGES: Kind = Kind {
    flags: MapFlags::PRIVATE,
    written: Some(1),
    prot: Prot::READ.union(Prot::WRITE),
    forked: false,
    unmapped: UNMAPPED.len(),
};
const LARGE: Kind = Kind {
    flags: MapFlags::PRIVATE.union(MapFlags::POPULATE),
    written: Some(0),
    ..PAGES
};
const SHARED: Kind = Kind {
    flags: MapFlags::SHARED,
    forked: true,
    unmapped: 1,
    ..PAGES
};
const UNTOUCHED: Kind = Kind {
    written: None,
    unmapped: 1,
    ..PAGES
};

/// What `madvise` gives back, in pages: first and number.
const FORGOTTEN: [(usize, usize); 5] = [(0, 1), (100, 1), (300, 300), (700, 324), (1030, 506)];
/// What `munmap` gives back then.
const UNMAPPED: [(usize, usize); 4] = [(1537, 1), (1500, 40), (0, 300), (2000, 48)];

/// Takes all memory for kernel objects, down to what is left in slabs.
fn exhaust() {
    for size in (6..=12).rev().map(|bits| 1 << bits) {
        while sys::kmalloc(size) != -1 {}
    }
}

/// Runs what gives memory back; if `starved`, with none left. It finds some afterwards, for pages of the
/// program that were not in use before.
fn run_starved(starved: bool, give_back: impl FnOnce() -> i32) -> i32 {
    let objects: [isize; SLACK] = array::from_fn(|_| match starved {
        true => sys::kmalloc(PAGE_SIZE),
        false => -1,
    });
    let status = give_back();
    for object in objects.into_iter().filter(|&object| object != -1) {
        sys::kfree(object);
    }
    status
}

/// Pages that are left for what comes afterwards.
const SLACK: usize = 32;

/// What a page of the kind has in its first byte.
fn number(page: usize) -> u8 {
    (page % 251) as u8 + 1
}

impl Kind {
    /// Memory of this kind, from a multiple of 2 MiB on.
    fn make(&self) -> Option<usize> {
        let room = map(ALL + BLOCK, MapFlags::PRIVATE)?;
        let base = room.next_multiple_of(BLOCK * PAGE_SIZE);
        let flags = self.flags | MapFlags::ANONYMOUS | MapFlags::FIXED;
        let prot = Prot::READ | Prot::WRITE;
        // SAFETY: it takes the place of what was mapped above.
        let at = unsafe { sys::mmap(base, ALL * PAGE_SIZE, prot.bits(), flags.bits(), -1, 0) };
        if at != base as isize {
            return None;
        }
        for page in (0..ALL).filter(|page| self.is_written(*page)) {
            // SAFETY: the memory is ours.
            unsafe { fill(base + page * PAGE_SIZE, 1, number(page)) };
        }
        // SAFETY: as above.
        let changed = unsafe { sys::mprotect(base, ALL * PAGE_SIZE, self.prot.bits()) };
        (changed == 0).then_some(base)
    }

    fn is_written(&self, page: usize) -> bool {
        self.written.is_some_and(|first| page % BLOCK >= first)
    }

    /// Gives back one part after the other. 0, or 1 and more for the part that did not go, and 101 and more
    /// for the one that changed other pages.
    fn give_back(&self, base: usize, starved: bool) -> i32 {
        let unmapped = UNMAPPED.iter().take(self.unmapped);
        let unmapped = unmapped.map(|part| (true, *part));
        let parts = FORGOTTEN.iter().map(|part| (false, *part)).chain(unmapped);
        let mut gone = [false; ALL];
        for (n, (unmap, (first, pages))) in (1..).zip(parts) {
            if starved {
                exhaust();
            }
            let (at, length) = (base + first * PAGE_SIZE, pages * PAGE_SIZE);
            let advice = Advice::DontNeed as u32;
            let answer = match unmap {
                // SAFETY: nobody uses the pages.
                true => unsafe { sys::munmap(at, length) },
                // SAFETY: as above.
                false => unsafe { sys::madvise(at, length, advice) },
            };
            if answer != 0 {
                return n;
            }
            gone.iter_mut()
                .skip(first)
                .take(pages)
                .for_each(|gone| *gone = true);
            if !self.is_kept(base, &gone) {
                return 100 + n;
            }
        }
        0
    }

    /// Whether all pages have what was written but those that are gone. It needs no memory if the process
    /// has seen them before.
    fn is_kept(&self, base: usize, gone: &[bool; ALL]) -> bool {
        let readable = (0..ALL).filter(|_| self.prot.contains(Prot::READ));
        let mut kept = readable.filter(|&page| !gone[page] && self.is_written(page));
        kept.all(|page| peek(base + page * PAGE_SIZE) == number(page))
    }

    /// Once with memory, so that this process has touched all that it needs to give back what is at `base`.
    fn rehearse(&self, base: usize) -> i32 {
        if !self.is_kept(base, &[false; ALL]) {
            return 100;
        }
        match self.make() {
            Some(base) => run_starved(false, || self.give_back(base, false)),
            None => 200,
        }
    }
}

fn pages() -> Outcome {
    parts_of(&PAGES)
}

fn large_pages() -> Outcome {
    parts_of(&LARGE)
}

fn common_tables() -> Outcome {
    parts_of(&Kind {
        forked: true,
        ..PAGES
    })
}

fn common_large_pages() -> Outcome {
    parts_of(&Kind {
        forked: true,
        ..LARGE
    })
}

fn shared_memory() -> Outcome {
    parts_of(&SHARED)
}

fn read_only_pages() -> Outcome {
    parts_of(&Kind {
        prot: Prot::READ,
        ..LARGE
    })
}

fn forbidden_pages() -> Outcome {
    parts_of(&Kind {
        prot: Prot::empty(),
        ..LARGE
    })
}

fn untouched_pages() -> Outcome {
    parts_of(&UNTOUCHED)
}

fn own_heap() -> Outcome {
    heap(false)
}

fn common_heap() -> Outcome {
    heap(true)
}

/// Gives back parts of memory, with a child that has it too and does the same afterwards.
fn parts_of(kind: &Kind) -> Outcome {
    let give = |base: usize, starved| kind.give_back(base, starved);
    starving(
        kind.forked,
        || kind.make(),
        |base| kind.rehearse(base),
        give,
    )
}

/// Has a process, and if `forked` its child after it, make memory and give it back when none is free.
fn starving(
    forked: bool,
    make: impl Fn() -> Option<usize>,
    rehearse: impl Fn(usize) -> i32,
    give_back: impl Fn(usize, bool) -> i32,
) -> Outcome {
    let before = available()?;
    ends_with(0, "giving back without memory", || {
        let Some(base) = make() else { return 201 };
        let child = forked.then(|| {
            let hold = || match rehearse(base) {
                0 => Ok(()),
                status => Err(status),
            };
            Stay::start_then(hold, |()| run_starved(true, || give_back(base, true)))
        });
        let child = match child.transpose() {
            Ok(child) => child,
            Err(_) => return 202,
        };
        // What waiting for the child touches is there too, when that takes the last page.
        let waited = Stay::start(|| 0).and_then(|stay| stay.end("a rehearsal"));
        match rehearse(base) {
            0 if waited.is_ok() => {}
            0 => return 204,
            status => return status,
        }
        let status = run_starved(true, || give_back(base, true));
        match child.map_or(Ok(()), |child: Stay| child.end("the child")) {
            Ok(()) => status,
            Err(_) => 203,
        }
    })?;
    all_back(before)
}

/// The heap shrinks, to the middle of a large page and on.
fn heap(forked: bool) -> Outcome {
    let shrink = |_, starved| {
        for pages in [1, 100, BLOCK - 101, 3, BLOCK] {
            if starved {
                exhaust();
            }
            // SAFETY: nobody uses the pages.
            if unsafe { sys::sbrk(-((pages * PAGE_SIZE) as isize)) } == -1 {
                return pages as i32;
            }
        }
        0
    };
    let grow = || grow_touched(ALL).ok();
    let rehearse = |_| match grow() {
        Some(base) => run_starved(false, || shrink(base, false)),
        None => 200,
    };
    starving(forked, grow, rehearse, shrink)
}
