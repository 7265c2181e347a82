//! Page faults. Whoever touches a page that the table does not grant, the program or the kernel on
//! its behalf, ends up here. Only `populate.rs` gives frames to pages that nobody has touched.

use crate::access::Access;
use crate::machine::Frame;
use crate::object::LockedPage;
use crate::region::{Region, Source};
use crate::reserve::{Own, frame_for};
use crate::table::{PageTable, Room};
use crate::{AddressSpace, Error, Files, Flush};
use abi::{Event, Prot};
use frames::Pfn;
use paging::{Cursor, Leaf, Level, PAGE, page_down};

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

impl<M: Files> AddressSpace<M> {
    /// Makes the page at `addr` fit for an access that faulted, if the space's regions allow it.
    ///
    /// [`Fault::NeedPage`] asks for a page of a file: the caller unlocks the space, has the page come into
    /// the file's object, holds it there, and calls again. Whatever has happened to the space or the
    /// file in between, the fault starts over.
    ///
    /// # Errors
    ///
    /// See [`FaultError`]. Either way the space is as before.
    pub fn fault(&mut self, addr: u64, access: Access) -> Result<Fault<M::File>, FaultError> {
        let page = page_down(addr);
        let region = self
            .regions
            .find(page)
            .filter(|region| region.allows(access));
        let region = region.ok_or(FaultError::Refused)?;
        let cursor = self.table.look_up(page);
        let Some(leaf) = cursor.entry().leaf() else {
            return fill(&self.table, &mut self.reservations, region, cursor, access);
        };
        let touched = leaf.touched(access == Access::Write);
        if !touched.prot().contains(access.needs()) {
            unshare(&self.table, &mut self.reservations, region, &cursor, leaf)?;
        } else if touched == leaf {
            // The TLB had an entry with fewer rights, or that a table was missing.
            self.table.flush_here(Flush::Space);
            self.machine().note(Event::Stale);
        } else {
            // Hardware that leaves it to software to say that a page is in use.
            self.table.grant(page, leaf, touched);
        }
        Ok(Fault::Done)
    }
}

/// Gives a page its first frame.
#[inline(always)]
fn fill<M: Files>(
    table: &PageTable<M>,
    reservations: &mut Own,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
) -> Result<Fault<M::File>, FaultError> {
    match region.source(cursor.addr()) {
        Source::Zero => fill_with_zeroes(table, reservations, region, cursor, access)?,
        Source::Object { window, valid } => {
            let page = cursor.addr();
            let room = table.reserve_room(cursor)?;
            match (window.lock_page(page)?, window.file()) {
                (Some(found), _) => put_page(table, region, (access, valid), found, room)?,
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

/// Gives a page of zeroes its first frame: that of zeroes which all share, where that will do.
#[inline(always)]
fn fill_with_zeroes<M: Files>(
    table: &PageTable<M>,
    reservations: &mut Own,
    region: &Region<M>,
    cursor: Cursor<M>,
    access: Access,
) -> Result<(), FaultError> {
    let page = cursor.addr();
    let room = table.reserve_room(cursor)?;
    if access != Access::Write && region.reads_zero_page() {
        let zero = table.machine().zero_page();
        table.machine().note(Event::ZeroPage);
        let leaf = Leaf::user(zero, region.prot() - Prot::WRITE);
        table.put(room, leaf.borrowed());
        return Ok(());
    }
    let (frame, complete) = frame_for(reservations, table.machine(), region, page)?;
    table.machine().note(Event::ZeroFill);
    table.put(room, Leaf::user(frame.into_pfn(), region.prot()));
    if complete {
        table.promote(page);
    }
    Ok(())
}

/// Puts a page of an object in, of which the first `valid` bytes count: the object's frame where that will
/// do, and otherwise a copy. The object stays locked until its frame is in the table, so that who takes the
/// page out of all tables misses none.
pub(crate) fn put_page<M: Files>(
    table: &PageTable<M>,
    region: &Region<M>,
    (access, valid): (Access, u64),
    page: LockedPage<'_, M>,
    room: Room<M>,
) -> Result<(), FaultError> {
    let machine = table.machine();
    if region.is_shared() {
        machine.note(Event::SharedMap);
        machine.retain(page.pfn);
        table.put(room, Leaf::user(page.pfn, region.prot()));
    } else if access != Access::Write && valid == PAGE {
        machine.note(Event::FileMap);
        machine.retain(page.pfn);
        let leaf = Leaf::user(page.pfn, region.prot() - Prot::WRITE);
        table.put(room, leaf.borrowed());
    } else {
        let frame = page.into_frame();
        let copied = copy(machine, frame.pfn(), valid as usize)?;
        machine.note(Event::FileCopy);
        table.put(room, Leaf::user(copied.into_pfn(), region.prot()));
    }
    Ok(())
}

/// A frame with the first `valid` bytes of another, and zeroes.
fn copy<M: Files>(machine: &M, from: Pfn, valid: usize) -> Result<Frame<M>, FaultError> {
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
fn unshare<M: Files>(
    table: &PageTable<M>,
    reservations: &mut Own,
    region: &Region<M>,
    cursor: &Cursor<M>,
    leaf: Leaf,
) -> Result<(), FaultError> {
    let (page, level) = (cursor.addr(), cursor.level());
    let machine = table.machine();
    let all_rights = |pfn| Leaf::user(pfn, region.prot());
    if level == Level::SUPERPAGE && machine.is_unique_large(leaf.pfn()) {
        table.release_spare(page);
        let leaf = cursor.entry().leaf().unwrap_or(leaf);
        table.grant(page, leaf, all_rights(leaf.pfn()));
        machine.note(Event::LastOwner);
        return Ok(());
    }
    let range = page..page + PAGE;
    let spare = table.reserve(&range)?;
    let old = leaf.part(level, page);
    let zero = old.pfn() == machine.zero_page();
    // A table or a large page that others have too is a reference of theirs to the frame.
    let own = level == Level::LEAF && machine.is_unique(cursor.table());
    let unique = || own && machine.is_unique(old.pfn());
    if !zero && (region.is_shared() || unique()) {
        table.own(&range, spare);
        table.grant(page, old, all_rights(old.pfn()));
        machine.note(Event::LastOwner);
        return Ok(());
    }
    let (frame, complete, event) = if zero {
        let (frame, complete) = frame_for(reservations, table.machine(), region, page)?;
        (frame, complete, Event::ZeroFill)
    } else {
        let frame = Frame::any(machine).ok_or(FaultError::OutOfMemory)?;
        (frame, false, Event::Copy)
    };
    machine.note(event);
    table.own(&range, spare);
    if table.replace(page, old, all_rights(frame.pfn())) {
        frame.into_pfn();
        if complete {
            table.promote(page);
        }
    }
    Ok(())
}
