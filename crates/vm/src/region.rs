//! A region: a range of pages that a process may use in one way, and where their contents are from.

use crate::account::{Account, Extent};
use crate::shared::SharedPages;
use crate::{Access, Error, Machine};
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
pub(crate) enum Backing<M: Machine> {
    /// Zeroes.
    Anonymous,
    /// A file, from `offset` (a multiple of the page) for `len` bytes; zeroes behind them.
    File {
        file: M::File,
        offset: u64,
        len: u64,
    },
    /// Memory shared with other spaces, from its page `first` on.
    Shared {
        pages: KArc<SharedPages<M>>,
        first: u64,
    },
}

impl<M: Machine> Clone for Backing<M> {
    fn clone(&self) -> Self {
        match self {
            Backing::Anonymous => Backing::Anonymous,
            Backing::File { file, offset, len } => Backing::File {
                file: file.clone(),
                offset: *offset,
                len: *len,
            },
            Backing::Shared { pages, first } => Backing::Shared {
                pages: pages.clone(),
                first: *first,
            },
        }
    }
}

impl<M: Machine> Backing<M> {
    /// The backing of what lies `by` bytes (whole pages) further on.
    fn advanced(&self, by: u64) -> Backing<M> {
        let mut backing = self.clone();
        backing.advance(by);
        backing
    }

    fn advance(&mut self, by: u64) {
        match self {
            Backing::Anonymous => {}
            Backing::File { offset, len, .. } => {
                *offset = offset.saturating_add(by);
                *len = len.saturating_sub(by);
            }
            Backing::Shared { first, .. } => *first = first.saturating_add(by / PAGE),
        }
    }
}

/// The contents of one page.
pub(crate) enum Source<'a, M: Machine> {
    /// Zeroes.
    Zero,
    /// Page `index` of the file, of which the first `valid` bytes count.
    File {
        file: &'a M::File,
        index: u64,
        valid: usize,
    },
    /// A page of shared memory.
    Shared {
        pages: &'a SharedPages<M>,
        index: u64,
    },
}

/// A range of pages that are used in one way.
pub struct Region<M: Machine> {
    start: u64,
    end: u64,
    prot: Prot,
    kind: RegionKind,
    /// The most that its rights have ever allowed: frames stay when rights go.
    account: Account,
    backing: Backing<M>,
}

impl<M: Machine> Clone for Region<M> {
    fn clone(&self) -> Self {
        Region {
            backing: self.backing.clone(),
            ..*self
        }
    }
}

impl<M: Machine> Region<M> {
    /// A region over `range`, whose ends are multiples of the page.
    pub(crate) fn new(
        range: Range<u64>,
        prot: Prot,
        kind: RegionKind,
        backing: Backing<M>,
    ) -> Region<M> {
        let mut region = Region {
            start: range.start,
            end: range.end,
            prot: with_read(prot),
            kind,
            account: Account::Nothing,
            backing,
        };
        region.account = region.account_with(region.prot);
        region
    }

    /// What the region can take with these rights.
    pub(crate) fn account_with(&self, prot: Prot) -> Account {
        let own = match &self.backing {
            Backing::Anonymous if self.reads_zero_page() => prot.contains(Prot::WRITE),
            Backing::Anonymous => !prot.is_empty(),
            Backing::File { .. } => prot.contains(Prot::WRITE),
            Backing::Shared { .. } => false,
        };
        let small = self.end - self.start < SUPERPAGE;
        // What a file does not fill counts whatever the rights.
        let file = matches!(self.backing, Backing::File { .. });
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
        let pages = match &self.backing {
            _ if self.account == Account::Pages => size / PAGE,
            Backing::File { len, .. } => (size - (*len).min(size) / PAGE * PAGE) / PAGE,
            _ => 0,
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
        match &self.backing {
            Backing::File { file, offset, .. } => Some((file, *offset)),
            _ => None,
        }
    }

    /// Whether writes are seen by other spaces.
    pub fn is_shared(&self) -> bool {
        matches!(self.backing, Backing::Shared { .. })
    }

    /// Whether the program may access the region so.
    pub(crate) fn allows(&self, access: Access) -> bool {
        self.prot.contains(access.needs())
    }

    /// Where the contents of the page at `page`, one of the region's, come from.
    pub(crate) fn source(&self, page: u64) -> Source<'_, M> {
        let at = page.saturating_sub(self.start);
        match &self.backing {
            Backing::Anonymous => Source::Zero,
            Backing::File { file, offset, len } => match len.saturating_sub(at).min(PAGE) {
                0 => Source::Zero,
                valid => Source::File {
                    file,
                    index: offset.saturating_add(at) / PAGE,
                    valid: valid as usize,
                },
            },
            Backing::Shared { pages, first } => Source::Shared {
                pages,
                index: first.saturating_add(at / PAGE),
            },
        }
    }

    /// The part from `at` on, as a region of its own.
    pub(crate) fn tail(&self, at: u64) -> Region<M> {
        let backing = self.backing.advanced(at.saturating_sub(self.start));
        Region {
            start: at,
            backing,
            ..*self
        }
    }

    /// What it takes more when the end moves up to `end`.
    pub(crate) fn cost_of_growth(&self, end: u64) -> u64 {
        let old = self.extent();
        let file = matches!(self.backing, Backing::File { .. });
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
        let Backing::Shared { pages, first } = &self.backing else {
            return act();
        };
        let wanted = first + (end - self.start) / PAGE;
        let old = pages.promise(wanted)?;
        act().inspect_err(|_| pages.unpromise(wanted, old))
    }

    /// Takes away what lies before `start`.
    pub(crate) fn trim_front(&mut self, start: u64) {
        self.backing.advance(start.saturating_sub(self.start));
        self.start = start;
    }

    /// Moves the end; the contents of what is gained are the backing's.
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

    /// The part from `from` on, as a region at another place.
    pub(crate) fn moved(&self, from: u64, to: Range<u64>) -> Region<M> {
        Region {
            start: to.start,
            end: to.end,
            ..self.tail(from)
        }
    }

    /// Whether a page of zeroes that is only read shows the common one. xv6's tests count on it that
    /// reading the heap, the data and the stack takes memory; mappings are where programs keep what is
    /// mostly empty.
    pub(crate) fn reads_zero_page(&self) -> bool {
        self.kind == RegionKind::Mapping
    }

    /// Whether the contents are zeroes first and then what this space alone wrote.
    pub(crate) fn is_private_anonymous(&self) -> bool {
        matches!(self.backing, Backing::Anonymous)
    }

    /// Whether `next`, right behind, could be the same region. Two parts of a file are, when the
    /// second shows what the first would show there.
    pub(crate) fn continues_in(&self, next: &Region<M>) -> bool {
        let span = self.end - self.start;
        self.end == next.start
            && self.kind == next.kind
            && self.prot == next.prot
            && self.account == next.account
            && match (&self.backing, &next.backing) {
                (Backing::Anonymous, Backing::Anonymous) => true,
                (
                    Backing::Shared { pages: a, first: i },
                    Backing::Shared { pages: b, first: j },
                ) => KArc::ptr_eq(a, b) && i.saturating_add(span / PAGE) == *j,
                (
                    Backing::File {
                        file: a,
                        offset: i,
                        len: m,
                    },
                    Backing::File {
                        file: b,
                        offset: j,
                        len: n,
                    },
                ) => a == b && i.saturating_add(span) == *j && m.saturating_sub(span) == *n,
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

    /// Pages 10 to 19; the file's pages 3 to 6, and 100 bytes of its page 7.
    fn region() -> Region<Nowhere> {
        let backing = Backing::File {
            file: 1,
            offset: 3 * PAGE,
            len: 4 * PAGE + 100,
        };
        Region::new(10 * PAGE..20 * PAGE, Prot::READ, RegionKind::Text, backing)
    }

    /// Page of the file and bytes of it, for each page from `first` to 19.
    fn shown(region: &Region<Nowhere>, first: u64) -> [Option<(u64, usize)>; 10] {
        core::array::from_fn(|n| match region.source((10 + n as u64) * PAGE) {
            Source::File { index, valid, .. } if n as u64 + 10 >= first => Some((index, valid)),
            _ => None,
        })
    }

    #[test]
    fn pages_of_a_file() {
        let whole = |n| Some((n, PAGE as usize));
        let mut all = [None; 10];
        all[..5].copy_from_slice(&[whole(3), whole(4), whole(5), whole(6), Some((7, 100))]);
        assert_eq!(shown(&region(), 10), all);
        for first in 10..20 {
            all[..first - 10].fill(None);
            let first = first as u64;
            assert_eq!(
                shown(&region().tail(first * PAGE), first),
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
                assert!(front.continues_in(&trimmed), "parts at {first} fit");
                trimmed.backing.advance(PAGE);
                assert!(!front.continues_in(&trimmed), "other parts of the file");
            }
        }
    }
}
