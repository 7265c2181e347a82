//! Allocation of a private anonymous page: from a reservation, or any frame.

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
pub(crate) type SpaceReservations = Option<KBox<Reservations>>;

/// A zeroed frame for a page: from a reservation of the space, which is made if the page is the first of its 2
/// MiB, or else any. Also whether the reservation is full with it, so that the pages can be promoted.
#[inline(always)]
pub(crate) fn alloc_page<M: Files>(
    reservations: &mut SpaceReservations,
    machine: &M,
    region: &Region<M>,
    page: u64,
) -> Result<(Frame<M>, bool), Error> {
    let start = page - page % SUPERPAGE;
    let inside = region.start() <= start && start + SUPERPAGE <= region.end();
    if inside
        && region.is_private_anonymous()
        && let Some((pfn, complete)) = claim(reservations, machine, page)
    {
        machine.label(pfn, Use::Anonymous);
        machine.clear_tail(pfn, 0);
        return Ok((Frame::adopt(machine, pfn), complete));
    }
    let frame = Frame::zeroed(machine);
    Ok((frame.ok_or(Error::NoMemory)?, false))
}

/// Claims the frame for a page; also returns whether it was the last one.
#[inline(never)]
fn claim<M: Machine>(
    reservations: &mut SpaceReservations,
    machine: &M,
    addr: u64,
) -> Option<(Pfn, bool)> {
    let start = addr - addr % SUPERPAGE;
    let found = reservations
        .iter()
        .flat_map(|reservations| reservations.iter())
        .find(|one| one.start() == start);
    let Some((pfn, fully_claimed)) = found.map(|one| (one.claim(addr), one.is_fully_claimed()))
    else {
        let new = (addr == start).then(|| reserve(reservations, machine, start));
        return new.flatten()?.claim(addr).map(|pfn| (pfn, false));
    };
    if fully_claimed {
        break_reservations(reservations, machine, &(start..start + SUPERPAGE));
    }
    Some((pfn?, fully_claimed))
}

/// Reserves a block for the 2 MiB at `start`.
#[inline(never)]
fn reserve<M: Machine>(
    reservations: &mut SpaceReservations,
    machine: &M,
    start: u64,
) -> Option<KArc<Reservation>> {
    machine.reservations(|_| ())?;
    let reservations = match reservations {
        Some(reservations) => reservations,
        None => reservations.insert(KBox::try_new(Reservations::new()).ok()?),
    };
    let block = machine.alloc_large()?;
    machine.label(block, Use::Reserved);
    machine.split_large(block);
    let Ok(new) = KArc::try_new(Reservation::new(start, block)) else {
        machine.release_large(block);
        return None;
    };
    let oldest = machine.reservations(|all| all.add(new.clone())).flatten();
    if let Some(oldest) = oldest {
        oldest.reclaim(|pfn| machine.release(pfn));
    }
    if let Some(oldest) = reservations.add(new.clone()) {
        unlist(machine, &oldest);
    }
    Some(new)
}

/// Breaks the reservations that overlap `range` (as FreeBSD's `vm_reserv_break`).
#[inline]
pub(crate) fn break_reservations<M: Machine>(
    reservations: &mut SpaceReservations,
    machine: &M,
    range: &Range<u64>,
) {
    let Some(list) = reservations else { return };
    while let Some(closed) = list.remove(|one| one.is_in(range)) {
        unlist(machine, &closed);
    }
    if list.is_empty() {
        *reservations = None;
    }
}

/// Removes a reservation from the machine's list, and frees its unclaimed frames.
#[inline(never)]
fn unlist<M: Machine>(machine: &M, old: &KArc<Reservation>) {
    // Dropped after the lock.
    let _listed = machine.reservations(|all| all.remove(|one| KArc::ptr_eq(one, old)));
    old.reclaim(|pfn| machine.release(pfn));
}
