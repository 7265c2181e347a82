//! The address space of a process, and its counters, which are read without its lock.

use super::machine::{PageTable, Space};
use crate::mm::asid::Context;
use crate::sched::{SleepGuard, SleepLock, Wchan};
use crate::sync::{SpinLock, rank};
use core::mem::replace;
use fallible::{AllocError, KArc};

/// An address space.
pub struct Mm {
    /// The page table of the space.
    table: SpinLock<Option<KArc<PageTable>>, { rank::ENTRIES }>,
    /// None before the first `exec` and after the end.
    space: SleepLock<Option<Space>>,
}

fn table_of(space: Option<&Space>) -> Option<KArc<PageTable>> {
    space.map(|space| space.page_table().clone())
}

impl Mm {
    /// Takes a space over.
    pub fn try_new(space: Option<Space>) -> Result<KArc<Mm>, AllocError> {
        KArc::try_new(Mm {
            table: SpinLock::new(table_of(space.as_ref())),
            space: SleepLock::new(Wchan::SpaceLock, space),
        })
    }

    /// Locks the space.
    pub fn lock(&self) -> SleepGuard<'_, Option<Space>> {
        self.space.lock()
    }

    /// Replaces the space; returns the old one. The caller loads the new one ([`context`](Self::context))
    /// before it drops the old one.
    pub fn replace(&self, space: Option<Space>) -> Option<Space> {
        let table = table_of(space.as_ref());
        let mut place = self.lock();
        // The old space holds its table too, so nothing is freed under the spin lock.
        let _old = replace(&mut *self.table.lock(), table);
        replace(&mut *place, space)
    }

    /// The context to load; null for the kernel's own. It is valid until the replaced space, or this, is
    /// dropped.
    pub fn context(&self) -> *const Context {
        let context = |table: &KArc<PageTable>| -> *const Context { table.context() };
        let table = self.table.lock();
        table.as_ref().map_or(core::ptr::null(), context)
    }

    /// Reads a counter of the page table, if there is one.
    #[inline(never)]
    fn ask(&self, what: fn(&PageTable) -> usize) -> usize {
        self.table.lock().as_ref().map_or(0, |table| what(table))
    }

    /// Resident pages.
    pub fn resident(&self) -> usize {
        self.ask(PageTable::resident)
    }

    /// Page-table frames that forks deposited.
    pub fn deposits(&self) -> usize {
        self.ask(PageTable::deposits)
    }

    /// The pages that would be freed with it, if none is shared.
    pub fn pages(&self) -> usize {
        self.ask(|table| {
            let memory = table.resident() + table.shared_unmapped();
            memory + table.tables() + table.deposits() + table.records()
        })
    }
}
