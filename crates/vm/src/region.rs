//! Regions: ranges of pages with one protection and one source of contents (Linux: VMA; BSD: map entry).

use crate::account::{Account, Extent};
use crate::object::{Mapped, Object};
use crate::window::Window;
use crate::{Access, Error, Files, PageTable};
use abi::Prot;
use core::ops::Range;
use fallible::KArc;
use paging::{PAGE, SUPERPAGE};

/// The kind of a region. A program can unmap or replace only a [`Mapping`](RegionKind::Mapping); the others
/// live as long as the program, the heap as `sbrk` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Part of the program's file that it does not write.
    Text,
    /// Part of the program's file that it writes, or zeroed data.
    Data,
    /// Below the break.
    Heap,
    /// The stack; without permissions, its guard.
    Stack,
    /// Made by `mmap`.
    Mapping,
}

/// The source of a page's contents at its first touch.
pub(crate) enum Source<'a, M: Files> {
    /// Zeroes.
    Zero,
    /// The first `valid` bytes of the object's page, and zeroes.
    Object { window: &'a Window<M>, valid: u64 },
}

/// A range of pages with one protection and one source of contents.
pub struct Region<M: Files> {
    start: u64,
    end: u64,
    prot: Prot,
    kind: RegionKind,
    /// The highest charge that its permissions have ever required: frames stay when permissions are removed.
    account: Account,
    /// The window of an object; none for private anonymous memory.
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

    /// The contents of an unused record.
    pub(crate) fn nothing() -> Region<M> {
        Region::new(0..0, Prot::empty(), RegionKind::Mapping, None)
    }

    /// The same region over another range, with the same contents at each address.
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

    /// A copy of the region for another space.
    pub(crate) fn forked(&self, table: &KArc<PageTable<M>>) -> Result<Region<M>, Error> {
        let window = self.window.as_ref();
        let window = window.map(|window| window.forked(table)).transpose()?;
        Ok(self.with(self.range(), window))
    }

    /// A copy of the region from `from` on, at another place.
    pub(crate) fn moved(&self, from: u64, to: Range<u64>) -> Result<Region<M>, Error> {
        let window = self.window.as_ref();
        let window = window.map(|window| window.moved(from, to.start));
        Ok(self.with(to, window.transpose()?))
    }

    /// Counts the pages of `range` that are unmapped while the region stays.
    pub(crate) fn count_unmapped(&self, table: &PageTable<M>, range: &Range<u64>) {
        if let Some(window) = self.window.as_ref().filter(|window| window.is_shared()) {
            let unmapped = self.start.max(range.start)..self.end.min(range.end);
            window.add_unmapped(table.pages_in(unmapped));
        }
    }

    /// The window of a private mapping of an object.
    fn private_window(&self) -> Option<&Window<M>> {
        self.window.as_deref().filter(|window| !window.is_shared())
    }

    /// The charge with these permissions.
    pub(crate) fn account_with(&self, prot: Prot) -> Account {
        let own = match &self.window {
            None if self.reads_zero_page() => prot.contains(Prot::WRITE),
            None => !prot.is_empty(),
            Some(window) => !window.is_shared() && prot.contains(Prot::WRITE),
        };
        let small = self.end - self.start < SUPERPAGE;
        // Pages behind the end of the file are charged whatever the permissions.
        let file = self.private_window().is_some();
        match own {
            true => Account::Pages,
            false if small || file || !prot.is_empty() => Account::Tables,
            false => Account::Nothing,
        }
    }

    /// The region for accounting. Of a file mapping that is not writable, only the pages behind the end of the
    /// file are charged.
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

    /// The additional charge if the end moves up to `end`.
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

    /// What it is charged for.
    pub(crate) fn account(&self) -> Account {
        self.account
    }

    /// Sets what it is charged for.
    pub(crate) fn set_account(&mut self, account: Account) {
        self.account = account;
    }

    /// Pages of `range` that are charged as private frames.
    pub(crate) fn own_pages_in(&self, range: &Range<u64>) -> u64 {
        let (start, end) = (self.start.max(range.start), self.end.min(range.end));
        match self.account {
            Account::Pages => end.saturating_sub(start) / PAGE,
            _ => 0,
        }
    }

    /// Calls `act` with the shared object committed up to what the region shows with its end at `end`; undoes
    /// the commit if `act` fails.
    pub(crate) fn committing_shared<T>(
        &self,
        end: u64,
        act: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Some(window) = self.window.as_deref().filter(|window| window.is_shared()) else {
            return act();
        };
        let (object, wanted) = (window.object(), window.offset(end) / PAGE);
        let old = object.commit(wanted)?;
        act().inspect_err(|_| object.uncommit(wanted, old))
    }

    /// Moves the start up.
    pub(crate) fn trim_front(&mut self, start: u64) {
        self.start = start;
    }

    /// Moves the end; the pages added show what follows in the object.
    pub(crate) fn set_end(&mut self, end: u64) {
        self.end = end;
    }

    /// Changes the protection.
    pub(crate) fn set_prot(&mut self, prot: Prot) {
        if !prot.is_empty() {
            self.account = self.account.max(self.account_with(prot));
        }
        self.prot = with_read(prot);
    }

    /// Whether reading an untouched page maps the zero page. xv6's tests expect that reading the heap, the data
    /// and the stack takes memory; mappings tend to be sparse.
    pub(crate) fn reads_zero_page(&self) -> bool {
        self.kind == RegionKind::Mapping
    }

    /// Whether the contents are zeroes first and then what this space alone wrote.
    pub(crate) fn is_private_anonymous(&self) -> bool {
        self.window.is_none()
    }

    /// Whether `next` is adjacent and can be merged: same attributes, and contents that continue.
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

/// The permissions with those that they imply: write implies read.
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
    use crate::window::{Mappable, ObjectRange};

    /// Pages 10 to 19; the file's pages 3 to 6, and 100 bytes of its page 7.
    fn region() -> Region<Nowhere> {
        let object = Object::anonymous(Nowhere, 10 * PAGE).expect("memory");
        let part = ObjectRange {
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
