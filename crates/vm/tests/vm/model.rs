//! What address spaces should do, in the plainest form there is: per process, a map from page
//! number to rights and contents.

use crate::page::{Content, Kind, Object, Page, Words, with_read, word_of};
use crate::world::{PAGE, RW, RX, file_word};
use abi::{Advice, MMAP_BASE, MMAP_LOW, MapFlags, Prot, USER_TOP};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;
use vm::Error;

/// Where mappings without a hint are.
const ANYWHERE: Range<u64> = MMAP_BASE..USER_TOP;

/// Number of the first page of a range, and of pages in it.
fn range(start: u64, len: u64) -> Result<(u64, u64), Error> {
    let sensible = start.is_multiple_of(PAGE) && len > 0 && len <= USER_TOP && start <= USER_TOP;
    let (first, count) = (start / PAGE, len.div_ceil(PAGE));
    if !sensible || first + count > USER_TOP / PAGE {
        return Err(Error::Invalid);
    }
    Ok((first, count))
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
                let mut page = Page::new(prot, Kind::Program, [word(0), word(PAGE - 8)]);
                page.of_file = true;
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
        let pages = self.pages.clone();
        Model { pages, ..*self }
    }

    /// What the program may do with the page of an address, and the two words of it.
    pub(crate) fn page(&self, addr: u64) -> Option<(Prot, Words)> {
        let page = self.pages.get(&(addr / PAGE))?;
        let words = match &page.content {
            Content::Own(words) => *words,
            Content::Shared(object, index) => {
                let words = object.words.borrow();
                words.get(index).copied().unwrap_or_default()
            }
        };
        Some((page.prot, words))
    }

    /// A store that is allowed.
    pub(crate) fn store(&mut self, addr: u64, value: u64) {
        let (word, _) = word_of(addr);
        if let Some(page) = self.pages.get_mut(&(addr / PAGE)) {
            match &mut page.content {
                Content::Own(words) => words[word] = value,
                Content::Shared(object, index) => {
                    object.words.borrow_mut().entry(*index).or_default()[word] = value;
                }
            }
        }
    }

    /// The tables show this page: if it is of shared memory, that was made.
    pub(crate) fn shown(&self, addr: u64) {
        if let Some(Content::Shared(object, index)) =
            self.pages.get(&(addr / PAGE)).map(|page| &page.content)
        {
            object.made.borrow_mut().insert(*index);
        }
    }

    /// The shared memory that the process has, each as often as it has pages of it.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Rc<Object>> {
        self.pages.values().filter_map(|page| match &page.content {
            Content::Shared(object, _) => Some(object),
            Content::Own(_) => None,
        })
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

    /// The lowest place for `count` pages.
    fn gap(&self, count: u64, area: Range<u64>) -> Result<u64, Error> {
        let mut first = area.start / PAGE;
        for number in self.pages.range(first..).map(|page| *page.0) {
            if number >= first + count {
                break;
            }
            first = number + 1;
        }
        if first + count > area.end / PAGE {
            return Err(Error::NoMemory);
        }
        Ok(first)
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
        let careful = flags.contains(MapFlags::FIXED_NOREPLACE);
        let fixed = flags.contains(MapFlags::FIXED) || careful;
        let sensible = flags.contains(MapFlags::ANONYMOUS)
            && shared != flags.contains(MapFlags::PRIVATE)
            || plain;
        if !sensible || len == 0 || len > USER_TOP {
            return Err(Error::Invalid);
        }
        let prot = if plain { RW } else { prot };
        let count = len.div_ceil(PAGE);
        let wanted = range(hint / PAGE * PAGE, len);
        let first = if fixed {
            let (first, count) = range(hint, len)?;
            if careful && !self.free(first, count) {
                return Err(Error::Occupied);
            }
            if !self.only_mappings(first, count) {
                return Err(Error::Invalid);
            }
            first
        } else {
            let area = match flags.contains(MapFlags::LOW) {
                true => MMAP_LOW,
                false => ANYWHERE,
            };
            let inside = |first, count| first != 0 && (first + count) * PAGE <= area.end;
            match wanted {
                Ok((first, count)) if inside(first, count) && self.free(first, count) => first,
                _ => self.gap(count, area)?,
            }
        };
        let object = Object::new(count);
        for number in first..first + count {
            let mut page = Page::new(prot, Kind::Mapping, [0; 2]);
            if shared {
                page.content = Content::Shared(object.clone(), number - first);
            }
            self.pages.insert(number, page);
        }
        Ok(first * PAGE)
    }

    fn remove(&mut self, first: u64, count: u64) {
        let mut behind = self.pages.split_off(&first);
        self.pages.append(&mut behind.split_off(&(first + count)));
    }

    pub(crate) fn munmap(&mut self, start: u64, len: u64) -> Result<(), Error> {
        let (first, count) = range(start, len)?;
        if self.free(first, count) {
            return Err(Error::NotMapped);
        }
        if !self.only_mappings(first, count) {
            return Err(Error::Invalid);
        }
        self.remove(first, count);
        Ok(())
    }

    /// As [`range`], of pages that are all there; none for a length of 0.
    pub(crate) fn covered(&self, start: u64, len: u64) -> Result<(u64, u64), Error> {
        if len == 0 && start.is_multiple_of(PAGE) {
            return Ok((start / PAGE, 0));
        }
        let (first, count) = range(start, len)?;
        if self.pages.range(first..first + count).count() as u64 != count {
            return Err(Error::NotMapped);
        }
        Ok((first, count))
    }

    pub(crate) fn mprotect(&mut self, start: u64, len: u64, prot: Prot) -> Result<(), Error> {
        let (first, count) = self.covered(start, len)?;
        let pages = self.pages.range_mut(first..first + count);
        pages.for_each(|(_, page)| page.prot = with_read(prot));
        Ok(())
    }

    pub(crate) fn madvise(&mut self, start: u64, len: u64, advice: Advice) -> Result<(), Error> {
        let (first, count) = self.covered(start, len)?;
        let plain = |page: &Page| !page.of_file && !page.is_shared();
        let mut pages = self.pages.range(first..first + count);
        match advice {
            Advice::WillNeed => return Ok(()),
            Advice::Free if !pages.all(|(_, page)| plain(page)) => return Err(Error::Invalid),
            Advice::Free | Advice::DontNeed => {}
        }
        for (_, page) in self.pages.range_mut(first..first + count) {
            if let Content::Own(words) = &mut page.content {
                *words = page.first;
            }
        }
        Ok(())
    }

    pub(crate) fn mremap(
        &mut self,
        start: u64,
        old: u64,
        new: u64,
        may_move: bool,
    ) -> Result<u64, Error> {
        let (first, count) = range(start, old)?;
        let (_, size) = range(0, new)?;
        self.covered(start, old)?;
        if !self.only_mappings(first, count) {
            return Err(Error::Invalid);
        }
        if size <= count {
            self.remove(first + size, count - size);
            return Ok(start);
        }
        let inside = || self.pages.range(first..first + count);
        let mut pairs = inside().zip(inside().skip(1));
        if !pairs.all(|((_, page), (_, next))| page.continues_in(next)) {
            return Err(Error::Invalid);
        }
        let fits = first + size <= USER_TOP / PAGE;
        let mut to = first;
        if !fits || !self.free(first + count, size - count) {
            if !may_move {
                return Err(Error::NoMemory);
            }
            to = self.gap(size, ANYWHERE)?;
        }
        let mut moved: Vec<Page> = inside().map(|(_, page)| page.clone()).collect();
        while (moved.len() as u64) < size {
            let next = moved[moved.len() - 1].next();
            moved.push(next);
        }
        self.remove(first, count);
        self.pages.extend((to..).zip(moved));
        Ok(to * PAGE)
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
