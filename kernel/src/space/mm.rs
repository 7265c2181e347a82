//! The address space of a process, with what others may know of it without waiting for its lock.

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

    /// Puts another space in the place of this one, and gives that back. Who runs here enters the other
    /// ([`context`](Self::context)) before the old one goes.
    pub fn replace(&self, space: Option<Space>) -> Option<Space> {
        let table = table_of(space.as_ref());
        let mut place = self.lock();
        // The old space has its table too.
        let _old = replace(&mut *self.table.lock(), table);
        replace(&mut *place, space)
    }

    /// What it takes to run in the space; null for none, where the kernel's own does. It is good until the
    /// space that was replaced, or this, is dropped.
    pub fn context(&self) -> *const Context {
        let context = |table: &KArc<PageTable>| -> *const Context { table.context() };
        let table = self.table.lock();
        table.as_ref().map_or(core::ptr::null(), context)
    }

    /// Asks the page table, if there is one.
    #[inline(never)]
    fn ask(&self, what: fn(&PageTable) -> usize) -> usize {
        self.table.lock().as_ref().map_or(0, |table| what(table))
    }

    /// Pages of memory that are its own.
    pub fn resident(&self) -> usize {
        self.ask(PageTable::resident)
    }

    /// Frames that forks put aside for it.
    pub fn spares(&self) -> usize {
        self.ask(PageTable::spares)
    }

    /// All pages that would come back with it, if it shares none with others.
    pub fn pages(&self) -> usize {
        self.ask(|table| {
            let memory = table.resident() + table.kept();
            memory + table.tables() + table.spares() + table.records()
        })
    }
}
