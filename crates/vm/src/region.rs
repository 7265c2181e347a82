//! A region: a range of pages that a process may use in one way, and where their contents are from.

use crate::account::{Account, Extent};
use crate::object::{Mapped, Object};
use crate::window::Window;
use crate::{Access, Error, Files, PageTable};
use abi::Prot;
use core::ops::Range;
use fallible::KArc;
use paging::{PAGE, SUPERPAGE};

/// What a region is for. Only a [`Mapping`](RegionKind::Mapping) can be unmapped or replaced by the
/// program; the rest lives as long as the program (the heap as `sbrk` says).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Part of the program's file that it does not write.
    Text,
    /// Part of the program's file that it writes, or zeroed data.
    Data,
    /// Below the break.
    Heap,
    /// The stack; with no rights at all, its guard.
    Stack,
    /// Made by `mmap`.
    Mapping,
}

/// Where the contents of a page come from when it is touched first.
pub(crate) enum Source<'a, M: Files> {
    /// Zeroes.
    Zero,
    /// The first `valid` bytes of the object's page, and zeroes.
    Object { window: &'a Window<M>, valid: u64 },
}

/// A range of pages that are used in one way.
pub struct Region<M: Files> {
    start: u64,
    end: u64,
    prot: Prot,
    kind: RegionKind,
    /// The most that its rights have ever allowed: frames stay when rights go.
    account: Account,
    /// The part of an object that it shows; none for private anonymous memory.
    window: Option<KArc<Window<M>>>,
}

impl<M: Files> Region<M> {
    /// A region over `range`, whose ends are multiples of the page.
    pub(crate) fn new(
        range: Range<u64>,
        prot: Prot,
        kind: RegionKind,
        window: Option<KArc<Window<M>>>,
    ) -> Region<M> {
        let mut region = Region {
            start: range.start,
            end: range.end,
            prot: with_read(prot),
            kind,
            account: Account::Nothing,
            window,
        };
        region.account = region.account_with(region.prot);
        region
    }

    /// What the record of no region has.
    pub(crate) fn nothing() -> Region<M> {
        Region::new(0..0, Prot::empty(), RegionKind::Mapping, None)
    }

    /// A region like this one, over `range`, which shows the same at each address.
    pub(crate) fn over(&self, range: Range<u64>) -> Region<M> {
        self.with(range, self.window.clone())
    }

    fn with(&self, range: Range<u64>, window: Option<KArc<Window<M>>>) -> Region<M> {
        Region {
            start: range.start,
            end: range.end,
            window,
            ..*self
        }
    }

    /// The region, in another space with this page table.
    pub(crate) fn forked(&self, table: &KArc<PageTable<M>>) -> Result<Region<M>, Error> {
        let window = self.window.as_ref();
        let window = window.map(|window| window.forked(table)).transpose()?;
        Ok(self.with(self.range(), window))
    }

    /// What is at `from` and behind it, at another place.
    pub(crate) fn moved(&self, from: u64, to: Range<u64>) -> Result<Region<M>, Error> {
        let window = self.window.as_ref();
        let window = window.map(|window| window.moved(from, to.start));
        Ok(self.with(to, window.transpose()?))
    }

    /// The pages of `range` are unmapped, and the region stays.
    pub(crate) fn keep_shared(&self, table: &PageTable<M>, range: &Range<u64>) {
        if let Some(window) = self.window.as_ref().filter(|window| window.is_shared()) {
            let unmapped = self.start.max(range.start)..self.end.min(range.end);
            window.keep(table.pages_in(unmapped));
        }
    }

    /// The window, if stores do not go to its object.
    fn private_window(&self) -> Option<&Window<M>> {
        self.window.as_deref().filter(|window| !window.is_shared())
    }

    /// What the region can take with these rights.
    pub(crate) fn account_with(&self, prot: Prot) -> Account {
        let own = match &self.window {
            None if self.reads_zero_page() => prot.contains(Prot::WRITE),
            None => !prot.is_empty(),
            Some(window) => !window.is_shared() && prot.contains(Prot::WRITE),
        };
        let small = self.end - self.start < SUPERPAGE;
        // What a file does not fill counts whatever the rights.
        let file = self.private_window().is_some();
        match own {
            true => Account::Pages,
            false if small || file || !prot.is_empty() => Account::Tables,
            false => Account::Nothing,
        }
    }

    /// The region, as far as accounting is concerned. Of a file that is not written, the pages that
    /// the file fills are the cache's.
    pub(crate) fn extent(&self) -> Extent {
        let size = self.end - self.start;
        let pages = match self.private_window() {
            _ if self.account == Account::Pages => size / PAGE,
            Some(window) => (size - window.len_from(self.start).min(size) / PAGE * PAGE) / PAGE,
            None => 0,
        };
        Extent {
            first: self.start,
            last: self.end - 1,
            account: self.account,
            pages,
        }
    }

    /// Address of the first byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Address behind the last byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Both.
    pub fn range(&self) -> Range<u64> {
        self.start..self.end
    }

    /// What the program may do here. What can be written can be read.
    pub fn prot(&self) -> Prot {
        self.prot
    }

    /// What the region is for.
    pub fn kind(&self) -> RegionKind {
        self.kind
    }

    /// The file whose contents show here, and the offset in it of the region's first byte.
    pub fn file(&self) -> Option<(&M::File, u64)> {
        let window = self.window.as_deref()?;
        Some((window.file()?, window.offset(self.start)))
    }

    /// The object that shows here, and how it lists the window; none for private anonymous memory.
    pub fn object(&self) -> Option<(&Object<M>, &Mapped<M>)> {
        let window = self.window.as_deref()?;
        Some((window.object(), window.mapped()))
    }

    /// Whether writes are seen by other spaces.
    pub fn is_shared(&self) -> bool {
        self.window.as_deref().is_some_and(Window::is_shared)
    }

    /// Whether the program may access the region so.
    pub(crate) fn allows(&self, access: Access) -> bool {
        self.prot.contains(access.needs())
    }

    /// Where the contents of the page at `page`, one of the region's, come from.
    pub(crate) fn source(&self, page: u64) -> Source<'_, M> {
        match self.window.as_deref() {
            None => Source::Zero,
            Some(window) => match window.len_from(page).min(PAGE) {
                0 => Source::Zero,
                valid => Source::Object { window, valid },
            },
        }
    }

    /// What it takes more when the end moves up to `end`.
    pub(crate) fn cost_of_growth(&self, end: u64) -> u64 {
        let old = self.extent();
        let file = self.private_window().is_some();
        let own = old.account == Account::Pages || file;
        let pages = if own { (end - self.end) / PAGE } else { 0 };
        let new = Extent {
            last: end - 1,
            ..old
        };
        match old.ends_like(new) {
            true => pages,
            false => new.cost() + pages - old.cost(),
        }
    }

    /// What it can take.
    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// From now on it can take as much as this.
    pub(crate) fn set_account(&mut self, account: Account) {
        self.account = account;
    }

    /// Frames that may be its own of the pages of `range`.
    pub(crate) fn own_pages_in(&self, range: &Range<u64>) -> u64 {
        let (start, end) = (self.start.max(range.start), self.end.min(range.end));
        match self.account {
            Account::Pages => end.saturating_sub(start) / PAGE,
            _ => 0,
        }
    }

    /// Does `act` with shared memory promised as far as the region would show it with its end at
    /// `end`; where that fails nothing more is promised than before.
    pub(crate) fn promising_shared<T>(
        &self,
        end: u64,
        act: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(window) = self.window.as_deref().filter(|window| window.is_shared()) else {
            return act();
        };
        let (object, wanted) = (window.object(), window.offset(end) / PAGE);
        let old = object.promise(wanted)?;
        act().inspect_err(|_| object.unpromise(wanted, old))
    }

    /// Takes away what lies before `start`.
    pub(crate) fn trim_front(&mut self, start: u64) {
        self.start = start;
    }

    /// Moves the end; what is gained shows what follows.
    pub(crate) fn set_end(&mut self, end: u64) {
        self.end = end;
    }

    /// Changes what the program may do here.
    pub(crate) fn set_prot(&mut self, prot: Prot) {
        if !prot.is_empty() {
            self.account = self.account.max(self.account_with(prot));
        }
        self.prot = with_read(prot);
    }

    /// Whether a page of zeroes that is only read shows the common one. xv6's tests count on it that
    /// reading the heap, the data and the stack takes memory; mappings are where programs keep what is
    /// mostly empty.
    pub(crate) fn reads_zero_page(&self) -> bool {
        self.kind == RegionKind::Mapping
    }

    /// Whether the contents are zeroes first and then what this space alone wrote.
    pub(crate) fn is_private_anonymous(&self) -> bool {
        self.window.is_none()
    }

    /// Whether `next`, right behind, could be the same region: for parts of an object, when the second
    /// shows what the first would show there.
    pub(crate) fn continues_in(&self, next: &Region<M>) -> bool {
        self.end == next.start
            && self.kind == next.kind
            && self.prot == next.prot
            && self.account == next.account
            && match (&self.window, &next.window) {
                (None, None) => true,
                (Some(a), Some(b)) => a.is_like(b),
                _ => false,
            }
    }
}

/// The rights with those that they bring along: what can be written can be read.
pub(crate) fn with_read(prot: Prot) -> Prot {
    if prot.contains(Prot::WRITE) {
        prot | Prot::READ
    } else {
        prot
    }
}

#[cfg(test)]
mod tests {
    //! Parts of a region show what they showed before.

    use super::*;
    use crate::tree::tests::Nowhere;
    use crate::window::{Mappable, Part};

    /// Pages 10 to 19; the file's pages 3 to 6, and 100 bytes of its page 7.
    fn region() -> Region<Nowhere> {
        let object = Object::anonymous(Nowhere, 10 * PAGE).expect("memory");
        let part = Part {
            of: Mappable::Anonymous(KArc::try_new(object).expect("memory")),
            offset: 3 * PAGE,
            len: 4 * PAGE + 100,
        };
        let table = PageTable::try_new(Nowhere).expect("a root");
        let window = Window::private(part, 10 * PAGE, &table).expect("memory");
        let window = Some(window);
        Region::new(10 * PAGE..20 * PAGE, Prot::READ, RegionKind::Text, window)
    }

    /// Page of the file and bytes of it, for each page from `first` to 19.
    fn shown(region: &Region<Nowhere>, first: u64) -> [Option<(u64, u64)>; 10] {
        core::array::from_fn(|n| match region.source((10 + n as u64) * PAGE) {
            Source::Object { window, valid } if n as u64 + 10 >= first => {
                let addr = (10 + n as u64) * PAGE;
                Some((window.offset(addr) / PAGE, valid))
            }
            _ => None,
        })
    }

    #[test]
    fn pages_of_a_file() {
        let whole = |n| Some((n, PAGE));
        let mut all = [None; 10];
        all[..5].copy_from_slice(&[whole(3), whole(4), whole(5), whole(6), Some((7, 100))]);
        assert_eq!(shown(&region(), 10), all);
        for first in 10..20 {
            all[..first - 10].fill(None);
            let first = first as u64;
            assert_eq!(
                shown(&region().over(first * PAGE..20 * PAGE), first),
                all,
                "tail from {first}"
            );
            let mut trimmed = region();
            trimmed.trim_front(first * PAGE);
            assert_eq!(shown(&trimmed, first), all, "front up to {first} gone");
            assert_eq!(trimmed.range(), first * PAGE..20 * PAGE);
            if first > 10 {
                let mut front = region();
                front.set_end(first * PAGE);
                assert!(!front.continues_in(&trimmed), "each in a file of its own");
                let trimmed = front.over(trimmed.range());
                assert!(front.continues_in(&trimmed), "parts at {first} fit");
                let moved = trimmed.moved(first * PAGE - PAGE, trimmed.range());
                let moved = moved.expect("memory");
                assert!(!front.continues_in(&moved), "other parts of the file");
            }
        }
    }
}
