//! Which frame a page of private memory gets first: one of a reservation, or any.

use crate::machine::{Frame, Machine};
use crate::region::Region;
use crate::reservations::{Reservation, Reservations};
use crate::{Error, Files};
use abi::Use;
use core::ops::Range;
use fallible::{KArc, KBox};
use frames::Pfn;
use paging::SUPERPAGE;

/// The reservations of a space, if it has any.
pub(crate) type Own = Option<KBox<Reservations>>;

/// A frame of zeroes for a page, from a reservation of the space (`own`) if it is in one or may be the first of
/// one; and whether with it the 2 MiB around the page have frames that lie as in a large page.
#[inline(always)]
pub(crate) fn frame_for<M: Files>(
    own: &mut Own,
    machine: &M,
    region: &Region<M>,
    page: u64,
) -> Result<(Frame<M>, bool), Error> {
    let start = page - page % SUPERPAGE;
    let inside = region.start() <= start && start + SUPERPAGE <= region.end();
    if inside
        && region.is_private_anonymous()
        && let Some((pfn, complete)) = claim(own, machine, page)
    {
        machine.label(pfn, Use::Anonymous);
        machine.clear_tail(pfn, 0);
        return Ok((Frame::adopt(machine, pfn), complete));
    }
    let frame = Frame::zeroed(machine);
    Ok((frame.ok_or(Error::NoMemory)?, false))
}

/// The frame at the place of a page; and whether it is the last one of its reservation.
#[inline(never)]
fn claim<M: Machine>(own: &mut Own, machine: &M, addr: u64) -> Option<(Pfn, bool)> {
    let start = addr - addr % SUPERPAGE;
    let found = own
        .iter()
        .flat_map(|own| own.iter())
        .find(|one| one.start() == start);
    let Some((pfn, used_up)) = found.map(|one| (one.claim(addr), one.is_used_up())) else {
        let new = (addr == start).then(|| open(own, machine, start));
        return new.flatten()?.claim(addr).map(|pfn| (pfn, false));
    };
    if used_up {
        close(own, machine, &(start..start + SUPERPAGE));
    }
    Some((pfn?, used_up))
}

/// Reserves a block.
#[inline(never)]
fn open<M: Machine>(own: &mut Own, machine: &M, start: u64) -> Option<KArc<Reservation>> {
    machine.reservations(|_| ())?;
    let own = match own {
        Some(own) => own,
        None => own.insert(KBox::try_new(Reservations::new()).ok()?),
    };
    let block = machine.alloc_large()?;
    machine.label(block, Use::Aside);
    machine.part_large(block);
    let Ok(new) = KArc::try_new(Reservation::new(start, block)) else {
        machine.release_large(block);
        return None;
    };
    let oldest = machine.reservations(|all| all.add(new.clone())).flatten();
    if let Some(oldest) = oldest {
        oldest.give_back(|pfn| machine.release(pfn));
    }
    if let Some(oldest) = own.add(new.clone()) {
        forget(machine, &oldest);
    }
    Some(new)
}

/// Closes the reservations that lie in `range` in part or as a whole: nothing more is filled there.
#[inline]
pub(crate) fn close<M: Machine>(own: &mut Own, machine: &M, range: &Range<u64>) {
    let Some(list) = own else { return };
    while let Some(closed) = list.remove(|one| one.is_in(range)) {
        forget(machine, &closed);
    }
    if list.is_empty() {
        *own = None;
    }
}

/// Takes a reservation off the machine's list, and gives back what is left of it.
#[inline(never)]
fn forget<M: Machine>(machine: &M, old: &KArc<Reservation>) {
    // Dropped behind the lock.
    let _listed = machine.reservations(|all| all.remove(|one| KArc::ptr_eq(one, old)));
    old.give_back(|pfn| machine.release(pfn));
}
