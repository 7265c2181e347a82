//! Page faults. Whoever touches a page that the table does not grant, the program or the kernel on
//! its behalf, ends up here; here alone pages get frames.

use crate::access::Access;
use crate::machine::Frame;
use crate::region::{Region, Source};
use crate::table::{PageTable, Whole};
use crate::{AddressSpace, Error, Flush, Machine};
use abi::{Event, Prot};
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Leaf, Level, PAGE, SUPERPAGE, page_down};

/// A page of a cached file, with a reference to its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePage<F> {
    /// The file.
    pub file: F,
    /// Which page of it.
    pub index: u64,
    /// The cache's frame.
    pub pfn: Pfn,
}

/// What came of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<F> {
    /// The access can be tried again.
    Done,
    /// First this page of the file is needed.
    NeedPage {
        /// The file.
        file: F,
        /// Which page of it.
        index: u64,
    },
}

/// Why a fault could not be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// The program has no right to access the address so.
    Refused,
    /// It has, but there is no frame for the page or for the tables above it.
    OutOfMemory,
}

impl From<Error> for FaultError {
    fn from(_: Error) -> FaultError {
        FaultError::OutOfMemory
    }
}

/// A page that the caller supplied; its reference goes back unless the page is used.
struct Supply<M: Machine> {
    file: M::File,
    index: u64,
    frame: Frame<M>,
}

impl<M: Machine> AddressSpace<M> {
    /// Makes the page at `addr` fit for an access that faulted, if the space's regions allow it.
    ///
    /// [`Fault::NeedPage`] asks for a page of a file: the caller unlocks the space, gets the page
    /// from the cache with a reference for this call to own, and calls again with it in `supply`. A
    /// page that no longer fits goes back and the fault starts over, whatever has happened to the
    /// space in between.
    ///
    /// # Errors
    ///
    /// See [`FaultError`]. Either way the space is as before.
    pub fn fault(
        &mut self,
        addr: u64,
        access: Access,
        supply: Option<FilePage<M::File>>,
    ) -> Result<Fault<M::File>, FaultError> {
        let supply = supply.map(|FilePage { file, index, pfn }| Supply {
            file,
            index,
            frame: Frame::adopt(self.machine(), pfn),
        });
        let page = page_down(addr);
        let region = self
            .regions
            .find(page)
            .filter(|region| region.allows(access));
        let region = region.ok_or(FaultError::Refused)?;
        let cursor = self.table.look_up(page);
        let Some(leaf) = cursor.entry().leaf() else {
            return fill(&self.table, region, cursor, access, supply);
        };
        if leaf.prot().contains(access.needs()) {
            // The TLB had an entry with fewer rights, or that a table was missing.
            self.table.flush_here(Flush::Space);
            self.machine().note(Event::Stale);
        } else {
            unshare(&self.table, region, &cursor, leaf)?;
        }
        Ok(Fault::Done)
    }

    /// Gives every page of `range` what its first access would give it, a write where it can be
    /// written, until there is no frame any more. Pages of files are left out: the space cannot be
    /// locked while they are read.
    ///
    /// Where all of an aligned 2 MiB is asked for and nothing is there, it becomes one large page if a
    /// block is free: that takes no memory that the caller did not ask to have.
    pub(crate) fn populate(&mut self, range: Range<u64>) {
        let mut from = range.start;
        while let Some(region) = self.regions.first_in(&(from..range.end)) {
            let part = region.start().max(from)..region.end().min(range.end);
            from = part.end;
            let Some(access) = Access::of_most_use(region.prot()) else {
                continue;
            };
            let prot = region.prot();
            let large = access == Access::Write && region.is_private_anonymous();
            let mut page = part.start;
            while page < part.end {
                let whole = page.is_multiple_of(SUPERPAGE) && part.end - page >= SUPERPAGE;
                if large && whole && self.table.put_large(page, prot).is_ok() {
                    page += SUPERPAGE;
                    continue;
                }
                if self.is_wanting(page, access)
                    && self.fault(page, access, None) == Err(FaultError::OutOfMemory)
                {
                    return;
                }
                page += PAGE;
            }
        }
    }

    /// Maps, of a space that has not run yet, the pages of files that its regions show, as a read or
    /// the fetch of an instruction would; `page` gives one from the cache, with a reference. It ends
    /// with the first page that cannot be had: the rest comes when it is touched. Tells whether all are
    /// mapped.
    pub fn map_ahead(&mut self, mut page: impl FnMut(&M::File, u64) -> Option<Pfn>) -> bool {
        for region in self.regions.within(0..abi::MAXVA) {
            let access = [Access::Read, Access::Execute];
            let Some(access) = access.into_iter().find(|&access| region.allows(access)) else {
                continue;
            };
            for addr in region.range().step_by(abi::PAGE_SIZE) {
                let source = region.source(addr);
                let Source::File { file, index, .. } = source else {
                    break;
                };
                let Some(pfn) = page(file, index) else {
                    return false;
                };
                let cached = Frame::adopt(self.table.machine(), pfn);
                let table = &self.table;
                let cursor = table.look_up(addr);
                if fill_from(table, region, cursor, access, source, Some(cached)).is_err() {
                    return false;
                }
            }
        }
        true
    }

    /// Whether the page has no frame yet that is good for the access.
    fn is_wanting(&self, page: u64, access: Access) -> bool {
        match self.table.leaf(page) {
            None => true,
            Some(leaf) => access == Access::Write && leaf.pfn() == self.machine().zero_page(),
        }
    }
}

/// Gives a page its first frame.
fn fill<M: Machine>(
    table: &PageTable<M>,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
    supply: Option<Supply<M>>,
) -> Result<Fault<M::File>, FaultError> {
    let source = region.source(cursor.addr());
    let cached = match &source {
        Source::File { file, index, .. } => {
            match supply.filter(|s| s.index == *index && s.file == **file) {
                Some(supply) => Some(supply.frame),
                None => {
                    return Ok(Fault::NeedPage {
                        file: (*file).clone(),
                        index: *index,
                    });
                }
            }
        }
        _ => None,
    };
    fill_from(table, region, cursor, access, source, cached)?;
    Ok(Fault::Done)
}

/// Gives a page its first frame, where `cached` is the page of the file if it shows one.
#[inline(always)]
fn fill_from<M: Machine>(
    table: &PageTable<M>,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
    source: Source<'_, M>,
    cached: Option<Frame<M>>,
) -> Result<(), FaultError> {
    let page = cursor.addr();
    let room = table.reserve_room(cursor)?;
    let own = access == Access::Write || !region.reads_zero_page();
    if own && matches!(source, Source::Zero) {
        let (frame, complete) = zeroed(table, region, page)?;
        table.machine().note(Event::ZeroFill);
        table.put(room, Leaf::user(frame.into_pfn(), region.prot()));
        if complete {
            table.promote(page);
        }
        return Ok(());
    }
    let machine = table.machine();
    let read_only = region.prot() - Prot::WRITE;
    let (pfn, prot, event) = match (source, cached) {
        (Source::Shared { pages, index }, _) => {
            let page = pages.page(index)?;
            (page.into_pfn(), region.prot(), Event::SharedMap)
        }
        (Source::File { valid, .. }, Some(cached)) => {
            if access != Access::Write && valid as u64 == PAGE {
                (cached.into_pfn(), read_only, Event::FileMap)
            } else {
                let copied = copy(machine, cached.pfn(), valid)?;
                (copied.into_pfn(), region.prot(), Event::FileCopy)
            }
        }
        _ => (machine.zero_page(), read_only, Event::ZeroPage),
    };
    machine.note(event);
    table.put(room, Leaf::user(pfn, prot));
    Ok(())
}

/// A frame of zeroes for a page; and whether with it the 2 MiB around the page are full of frames
/// that lie as in a large page.
fn zeroed<M: Machine>(
    table: &PageTable<M>,
    region: &Region<M>,
    page: u64,
) -> Result<(Frame<M>, bool), FaultError> {
    let start = page - page % SUPERPAGE;
    let inside = region.start() <= start && start + SUPERPAGE <= region.end();
    if inside
        && region.is_private_anonymous()
        && let Some(placed) = table.placed(page)
    {
        return Ok(placed);
    }
    let frame = Frame::zeroed(table.machine());
    Ok((frame.ok_or(FaultError::OutOfMemory)?, false))
}

/// A frame with the first `valid` bytes of another, and zeroes.
fn copy<M: Machine>(machine: &M, from: Pfn, valid: usize) -> Result<Frame<M>, FaultError> {
    let frame = Frame::any(machine).ok_or(FaultError::OutOfMemory)?;
    machine.copy_page(from, frame.pfn());
    if (valid as u64) < PAGE {
        machine.clear_tail(frame.pfn(), valid);
    }
    Ok(frame)
}

/// Gives a page that is there all its region's rights: with its own frame if it is the last user of
/// it, with a copy otherwise. A large page that nobody else uses gets them as a whole. Where the page has
/// changed meanwhile, the program faults again.
fn unshare<M: Machine>(
    table: &PageTable<M>,
    region: &Region<M>,
    cursor: &Cursor<M>,
    leaf: Leaf,
) -> Result<(), FaultError> {
    let (page, level) = (cursor.addr(), cursor.level());
    let machine = table.machine();
    let all_rights = |pfn| Leaf::user(pfn, region.prot());
    if level == Level::SUPERPAGE && machine.is_unique_large(leaf.pfn()) {
        table.grant(page, leaf, all_rights(leaf.pfn()));
        machine.note(Event::LastOwner);
        return Ok(());
    }
    let range = page..page + PAGE;
    let spare = table.reserve(&range, Whole::Change)?;
    let old = leaf.part(level, page);
    let zero = old.pfn() == machine.zero_page();
    // A table or a large page that others have too is a reference of theirs to the frame.
    let unique = || spare.is_empty() && machine.is_unique(old.pfn());
    if !zero && (region.is_shared() || unique()) {
        table.own(&range, Whole::Change, spare);
        table.grant(page, old, all_rights(old.pfn()));
        machine.note(Event::LastOwner);
        return Ok(());
    }
    let (frame, complete, event) = if zero {
        let (frame, complete) = zeroed(table, region, page)?;
        (frame, complete, Event::ZeroFill)
    } else {
        let frame = Frame::any(machine).ok_or(FaultError::OutOfMemory)?;
        (frame, false, Event::Copy)
    };
    machine.note(event);
    table.own(&range, Whole::Change, spare);
    if table.replace(page, old, all_rights(frame.pfn())) {
        frame.into_pfn();
        if complete {
            table.promote(page);
        }
    }
    Ok(())
}
