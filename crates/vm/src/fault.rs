//! Page faults: of the program, and of the kernel's accesses on its behalf. Pages get frames here; only
//! `populate.rs` gives frames to pages that nobody has touched.

use crate::access::Access;
use crate::machine::Frame;
use crate::object::LockedPage;
use crate::page_alloc::{SpaceReservations, alloc_page};
use crate::region::{Region, Source};
use crate::table::{PageTable, PteAlloc};
use crate::{AddressSpace, Error, Files, Flush};
use abi::{Event, Prot};
use frames::Pfn;
use paging::{Cursor, Leaf, Level, PAGE, page_down};

/// The result of a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault<F> {
    /// The access can be retried.
    Done,
    /// The caller has to read this page of the file first.
    NeedPage {
        /// The file.
        file: F,
        /// Which page of it.
        index: u64,
    },
}

/// Why a fault was not resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// The region does not allow the access, or there is none.
    Refused,
    /// No frame for the page or for the tables above it.
    OutOfMemory,
}

impl From<Error> for FaultError {
    fn from(_: Error) -> FaultError {
        FaultError::OutOfMemory
    }
}

impl<M: Files> AddressSpace<M> {
    /// Resolves a fault at `addr`, if the regions allow the access.
    ///
    /// [`Fault::NeedPage`] asks for a page of a file: the caller unlocks the space, reads the page into the
    /// file's object, holds a reference, and calls again. The fault then starts over, whatever has changed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// See [`FaultError`]. The space is unchanged.
    pub fn fault(&mut self, addr: u64, access: Access) -> Result<Fault<M::File>, FaultError> {
        let page = page_down(addr);
        let region = self
            .regions
            .find(page)
            .filter(|region| region.allows(access));
        let region = region.ok_or(FaultError::Refused)?;
        let cursor = self.table.look_up(page);
        let Some(leaf) = cursor.entry().leaf() else {
            return missing_fault(&self.table, &mut self.reservations, region, cursor, access);
        };
        let touched = leaf.with_accessed(access == Access::Write);
        if !touched.prot().contains(access.needs()) {
            protection_fault(&self.table, &mut self.reservations, region, &cursor, leaf)?;
        } else if touched == leaf {
            // A spurious fault: the TLB had an entry with fewer permissions, or a cached missing table.
            self.table.flush_here(Flush::Space);
            self.machine().count_event(Event::SpuriousFault);
        } else {
            // Hardware that does not set the accessed and dirty bits.
            self.table.set_access_flags(page, leaf, touched);
        }
        Ok(Fault::Done)
    }
}

/// Resolves a fault on a page that has no entry.
#[inline(always)]
fn missing_fault<M: Files>(
    table: &PageTable<M>,
    reservations: &mut SpaceReservations,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
) -> Result<Fault<M::File>, FaultError> {
    match region.source(cursor.addr()) {
        Source::Zero => zero_fill(table, reservations, region, cursor, access)?,
        Source::Object { window, valid } => {
            let page = cursor.addr();
            let pte = table.prealloc_tables(cursor)?;
            match (window.lock_page(page)?, window.file()) {
                (Some(found), _) => map_page(table, region, (access, valid), found, pte)?,
                (None, Some(file)) => {
                    return Ok(Fault::NeedPage {
                        file: file.clone(),
                        index: window.offset(page) / PAGE,
                    });
                }
                (None, None) => return Err(FaultError::Refused),
            }
        }
    }
    Ok(Fault::Done)
}

/// Resolves a fault on a page that starts as zeroes: maps the zero page if that will do, else a zeroed frame.
#[inline(always)]
fn zero_fill<M: Files>(
    table: &PageTable<M>,
    reservations: &mut SpaceReservations,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
) -> Result<(), FaultError> {
    let page = cursor.addr();
    let pte = table.prealloc_tables(cursor)?;
    if access != Access::Write && region.reads_zero_page() {
        let zero = table.machine().zero_page();
        table.machine().count_event(Event::ZeroPage);
        let leaf = Leaf::user(zero, region.prot() - Prot::WRITE);
        table.map(pte, leaf.borrowed());
        return Ok(());
    }
    let (frame, complete) = alloc_page(reservations, table.machine(), region, page)?;
    table.machine().count_event(Event::ZeroFill);
    table.map(pte, Leaf::user(frame.into_pfn(), region.prot()));
    if complete {
        table.promote(page);
    }
    Ok(())
}

/// Maps a page of an object, of which the first `valid` bytes are shown: the object's frame if possible, else a
/// copy. The object stays locked until its frame is mapped, so that reverse mapping misses no entry.
pub(crate) fn map_page<M: Files>(
    table: &PageTable<M>,
    region: &Region<M>,
    (access, valid): (Access, u64),
    page: LockedPage<'_, M>,
    pte: PteAlloc<M>,
) -> Result<(), FaultError> {
    let machine = table.machine();
    if region.is_shared() {
        machine.count_event(Event::SharedMap);
        machine.retain(page.pfn);
        table.map(pte, Leaf::user(page.pfn, region.prot()));
    } else if access != Access::Write && valid == PAGE {
        machine.count_event(Event::FileMap);
        machine.retain(page.pfn);
        let leaf = Leaf::user(page.pfn, region.prot() - Prot::WRITE);
        table.map(pte, leaf.borrowed());
    } else {
        let frame = page.into_frame();
        let copied = copy(machine, frame.pfn(), valid as usize)?;
        machine.count_event(Event::FileCopy);
        table.map(pte, Leaf::user(copied.into_pfn(), region.prot()));
    }
    Ok(())
}

/// A copy of the first `valid` bytes of a frame, and zeroes.
fn copy<M: Files>(machine: &M, from: Pfn, valid: usize) -> Result<Frame<M>, FaultError> {
    let frame = Frame::any(machine).ok_or(FaultError::OutOfMemory)?;
    machine.copy_page(from, frame.pfn());
    if (valid as u64) < PAGE {
        machine.clear_tail(frame.pfn(), valid);
    }
    Ok(frame)
}

/// Resolves a fault on a page whose entry lacks a permission that its region has: the last user of the frame
/// gets the permission, others get a copy. A large page that is not shared gets it as a whole. If the entry
/// changes meanwhile, the program faults again.
fn protection_fault<M: Files>(
    table: &PageTable<M>,
    reservations: &mut SpaceReservations,
    region: &Region<M>,
    cursor: &Cursor<M>,
    leaf: Leaf,
) -> Result<(), FaultError> {
    let (page, level) = (cursor.addr(), cursor.level());
    let machine = table.machine();
    let all_rights = |pfn| Leaf::user(pfn, region.prot());
    if level == Level::SUPERPAGE && machine.is_unique_large(leaf.pfn()) {
        table.release_deposit(page);
        let leaf = cursor.entry().leaf().unwrap_or(leaf);
        table.set_access_flags(page, leaf, all_rights(leaf.pfn()));
        machine.count_event(Event::LastOwner);
        return Ok(());
    }
    let range = page..page + PAGE;
    let prealloc = table.reserve(&range)?;
    let old = leaf.page_at(level, page);
    let zero = old.pfn() == machine.zero_page();
    // A shared table or large page holds one reference to the frame for all sharers.
    let own = level == Level::LEAF && machine.is_unique(cursor.table());
    let unique = || own && machine.is_unique(old.pfn());
    if !zero && (region.is_shared() || unique()) {
        table.unshare(&range, prealloc);
        table.set_access_flags(page, old, all_rights(old.pfn()));
        machine.count_event(Event::LastOwner);
        return Ok(());
    }
    let (frame, complete, event) = if zero {
        let (frame, complete) = alloc_page(reservations, table.machine(), region, page)?;
        (frame, complete, Event::ZeroFill)
    } else {
        let frame = Frame::any(machine).ok_or(FaultError::OutOfMemory)?;
        (frame, false, Event::Copy)
    };
    machine.count_event(event);
    table.unshare(&range, prealloc);
    if table.replace(page, old, all_rights(frame.pfn())) {
        frame.into_pfn();
        if complete {
            table.promote(page);
        }
    }
    Ok(())
}
