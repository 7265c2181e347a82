//! Deposits: page-table frames that fork allocates in advance, so that unsharing a leaf table or splitting a
//! shared large page never fails for want of memory (as Linux's `pgtable_trans_huge_deposit`).
//!
//! A space has one deposit for each entry with the deposit bit. Fork sets the bit on both sides, for the leaf
//! tables and large pages that it shares; so a shared one always has it. When the other sharers drop theirs,
//! the bit stays until the space changes memory there, or calls
//! [`release_deposits`](PageTable::release_deposits). A deposit is withdrawn to become the space's own table,
//! or freed with the entry.
//!
//! Each deposit is committed separately: the commitment of the regions covers the table that the deposit
//! becomes, while the space may still use the shared one.

use super::PageTable;
use crate::machine::{Frame, Prealloc};
use crate::{Error, Machine};
use core::ops::Range;
use frames::Pfn;
use paging::{Cursor, Entry, Level, Slot};

impl<M: Machine> PageTable<M> {
    /// Deposited frames.
    #[inline]
    pub fn deposits(&self) -> usize {
        self.deposit_count.get()
    }

    /// Calls `act` with each deposited frame, for accounting.
    pub fn for_each_deposit(&self, act: impl FnMut(Pfn)) {
        self.deposits.lock().for_each(act);
    }

    /// Commits and deposits a frame.
    pub(super) fn deposit(&self) -> Result<(), Error> {
        if !self.machine.commit(1) {
            return Err(Error::NoMemory);
        }
        let Some(frame) = Frame::any(&self.machine) else {
            self.machine.uncommit(1);
            return Err(Error::NoMemory);
        };
        self.deposits.lock().push(frame);
        self.deposit_count.add(1);
        Ok(())
    }

    /// Withdraws a deposited frame, and uncommits it.
    pub(super) fn withdraw(&self) -> Option<Frame<M>> {
        let frame = self.deposits.lock().pop()?;
        self.deposit_count.sub(1);
        self.machine.uncommit(1);
        Some(frame)
    }

    /// Makes a deposit for an entry that will be shared, if it has none.
    pub(super) fn ensure_deposit(&self, slot: Slot<'_>) -> Result<(), Error> {
        if !slot.has_deposit() {
            self.deposit()?;
            slot.set_deposit();
        }
        Ok(())
    }

    /// Frees the deposit of an entry that does not need it any more.
    #[inline]
    pub(super) fn drop_deposit(&self, slot: Slot<'_>) {
        if slot.has_deposit() {
            slot.clear_deposit();
            drop(self.withdraw());
        }
    }

    /// Frees the deposit of an entry if its table or large page is not shared any more.
    fn release_deposit_if_unique(&self, cursor: &Cursor<M>) {
        let unique = match cursor.entry() {
            Entry::Empty => true,
            Entry::Branch(table) => self.machine.is_unique(table),
            Entry::Leaf(leaf) => self.machine.is_unique_large(leaf.pfn()),
        };
        if unique {
            self.drop_deposit(cursor.slot());
        }
    }

    /// Frees the deposit for the large page or leaf table at `addr` if that is not shared any more.
    #[inline]
    pub(crate) fn release_deposit(&self, addr: u64) {
        if self.deposits() > 0 {
            self.release_deposit_if_unique(&self.at(Level::SUPERPAGE, addr));
        }
    }

    /// Frees the deposits in `range` for what is not shared any more.
    pub(crate) fn release_deposits(&self, range: &Range<u64>) {
        for (_, inside) in self.chunks(range) {
            let cursor = self.at(Level::SUPERPAGE, inside.start);
            if cursor.slot().has_deposit() {
                self.release_deposit_if_unique(&cursor);
            }
        }
    }

    /// Frees all deposits; no entry is left.
    pub(super) fn drop_deposits(&self) {
        *self.deposits.lock() = Prealloc::none(&self.machine);
        self.machine.uncommit(self.deposits() as u64);
        self.deposit_count.set(0);
    }
}
