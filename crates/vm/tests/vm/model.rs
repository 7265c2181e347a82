//! What address spaces should do, in the plainest form there is: per process, a map from page
//! number to rights and contents.

use crate::world::{PAGE, RW, RX, file_word};
use abi::{MMAP_BASE, MapFlags, Prot, USER_TOP};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use vm::{Access, Error};

/// Two words of each page, the first and the last, stand for its contents.
pub(crate) type Words = [u64; 2];

/// Which of the two words `addr` means.
pub(crate) fn word_of(addr: u64) -> (usize, u64) {
    let word = usize::from(addr % PAGE >= PAGE / 2);
    (word, addr / PAGE * PAGE + word as u64 * (PAGE - 8))
}

/// Whether the program may unmap a page.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Program,
    Heap,
    Mapping,
}

#[derive(Clone)]
struct Page {
    prot: Prot,
    kind: Kind,
    shared: bool,
    words: Rc<RefCell<Words>>,
}

impl Page {
    fn new(prot: Prot, kind: Kind, words: Words) -> Page {
        let prot = if prot.contains(Prot::WRITE) {
            prot | Prot::READ
        } else {
            prot
        };
        Page {
            prot,
            kind,
            shared: false,
            words: Rc::new(RefCell::new(words)),
        }
    }
}

/// One process.
pub(crate) struct Model {
    pages: BTreeMap<u64, Page>,
    base: u64,
    brk: u64,
}

/// The program that every first process runs: file, where, bytes in memory, rights, offset, bytes
/// in the file.
pub(crate) const PROGRAM: [(u64, u64, Prot, u64, u64); 2] = [
    (0, 2 * PAGE, RX, 0, 2 * PAGE),
    (2 * PAGE, 4 * PAGE, RW, 2 * PAGE, PAGE + 2048),
];
pub(crate) const FILE: u32 = 5;
pub(crate) const STACK: u64 = 7 * PAGE;
pub(crate) const HEAP: u64 = 8 * PAGE + 100;

impl Model {
    pub(crate) fn new() -> Model {
        let mut pages = BTreeMap::new();
        for (start, len, prot, offset, file_len) in PROGRAM {
            for at in (0..len).step_by(4096) {
                let word = |inside: u64| {
                    let known = at + inside < file_len;
                    if known {
                        file_word(FILE, offset + at + inside)
                    } else {
                        0
                    }
                };
                let page = Page::new(prot, Kind::Program, [word(0), word(PAGE - 8)]);
                pages.insert((start + at) / PAGE, page);
            }
        }
        pages.insert(STACK / PAGE, Page::new(RW, Kind::Program, [0; 2]));
        pages.insert(
            STACK / PAGE - 1,
            Page::new(Prot::empty(), Kind::Program, [0; 2]),
        );
        Model {
            pages,
            base: HEAP,
            brk: HEAP,
        }
    }

    pub(crate) fn fork(&self) -> Model {
        let copy = |page: &Page| match page.shared {
            true => page.clone(),
            false => Page {
                words: Rc::new(RefCell::new(*page.words.borrow())),
                ..*page
            },
        };
        let pages = self
            .pages
            .iter()
            .map(|(&number, page)| (number, copy(page)))
            .collect();
        Model { pages, ..*self }
    }

    /// The word that an access reaches, unless it is refused.
    pub(crate) fn access(&self, addr: u64, access: Access) -> Option<Rc<RefCell<Words>>> {
        let page = self.pages.get(&(addr / PAGE))?;
        let needs = match access {
            Access::Read => Prot::READ,
            Access::Write => Prot::WRITE,
            Access::Execute => Prot::EXEC,
        };
        page.prot.contains(needs).then(|| page.words.clone())
    }

    pub(crate) fn has_shared(&self) -> bool {
        self.pages.values().any(|page| page.shared)
    }

    pub(crate) fn size(&self) -> usize {
        self.pages.len()
    }

    pub(crate) fn addresses(&self) -> Vec<u64> {
        self.pages.keys().map(|number| number * PAGE).collect()
    }

    fn free(&self, first: u64, count: u64) -> bool {
        self.pages.range(first..first + count).next().is_none()
    }

    fn only_mappings(&self, first: u64, count: u64) -> bool {
        self.pages
            .range(first..first + count)
            .all(|(_, page)| page.kind == Kind::Mapping)
    }

    pub(crate) fn mmap(
        &mut self,
        hint: u64,
        len: u64,
        prot: Prot,
        flags: MapFlags,
    ) -> Result<u64, Error> {
        let plain = flags.is_empty();
        let shared = flags.contains(MapFlags::SHARED);
        let fixed = flags.contains(MapFlags::FIXED);
        let sensible = flags.contains(MapFlags::ANONYMOUS)
            && shared != flags.contains(MapFlags::PRIVATE)
            || plain;
        if !sensible || len == 0 || len > USER_TOP {
            return Err(Error::Invalid);
        }
        let prot = if plain { RW } else { prot };
        let (count, top) = (len.div_ceil(PAGE), USER_TOP / PAGE);
        let wanted = hint / PAGE;
        let fits = wanted < top && wanted + count <= top;
        let first = if fixed {
            if !hint.is_multiple_of(PAGE) || !fits || !self.only_mappings(wanted, count) {
                return Err(Error::Invalid);
            }
            wanted
        } else if wanted != 0 && fits && self.free(wanted, count) {
            wanted
        } else {
            let base = MMAP_BASE / PAGE;
            let after = self.pages.range(base..).map(|(number, _)| number + 1);
            let mut places = std::iter::once(base).chain(after);
            let place = places.find(|&first| self.free(first, count));
            place
                .filter(|first| first + count <= top)
                .ok_or(Error::NoMemory)?
        };
        for number in first..first + count {
            let page = Page {
                shared,
                ..Page::new(prot, Kind::Mapping, [0; 2])
            };
            self.pages.insert(number, page);
        }
        Ok(first * PAGE)
    }

    pub(crate) fn munmap(&mut self, start: u64, len: u64) -> Result<(), Error> {
        let sensible =
            start.is_multiple_of(PAGE) && len > 0 && len <= USER_TOP && start <= USER_TOP;
        let (first, count) = (start / PAGE, len.div_ceil(PAGE));
        if !sensible || first + count > USER_TOP / PAGE {
            return Err(Error::Invalid);
        }
        if self.free(first, count) {
            return Err(Error::NotMapped);
        }
        if !self.only_mappings(first, count) {
            return Err(Error::Invalid);
        }
        self.pages
            .retain(|number, _| !(first..first + count).contains(number));
        Ok(())
    }

    pub(crate) fn sbrk(&mut self, delta: i64) -> Result<u64, Error> {
        let old = self.brk;
        let new = i128::from(old) + i128::from(delta);
        if new < i128::from(self.base) {
            return Err(Error::Invalid);
        }
        if new > i128::from(USER_TOP) {
            return Err(Error::NoMemory);
        }
        // The heap's first page is free at the start, so the page that the base is in is its own.
        let pages = |brk: u64| {
            if brk == self.base {
                HEAP / PAGE
            } else {
                brk.div_ceil(PAGE)
            }
        };
        let (old_end, new_end) = (pages(old), pages(new as u64));
        if new_end > old_end && !self.free(old_end, new_end - old_end) {
            return Err(Error::NoMemory);
        }
        self.pages
            .retain(|&number, page| page.kind != Kind::Heap || number < new_end);
        for number in old_end..new_end {
            self.pages.insert(number, Page::new(RW, Kind::Heap, [0; 2]));
        }
        self.brk = new as u64;
        Ok(old)
    }
}
