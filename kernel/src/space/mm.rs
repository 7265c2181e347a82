//! The address space of a process, with what others may know of it without waiting for its lock.

use super::machine::{Space, satp_of};
use crate::mm::asid::Handle;
use crate::mm::kernel_space;
use crate::sched::{Awaited, SleepGuard, SleepLock};
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::{AllocError, KArc};

/// An address space.
pub struct Mm {
    /// What it takes to run in it.
    handle: Handle,
    /// None before the first `exec` and after the end.
    space: SleepLock<Option<Space>>,
    resident: AtomicUsize,
    page_tables: AtomicUsize,
    /// Pages of the records of its regions.
    records: AtomicUsize,
}

impl Mm {
    /// Takes a space over.
    pub fn try_new(space: Option<Space>) -> Result<KArc<Mm>, AllocError> {
        let satp = space.as_ref().map_or(kernel_space::satp(), satp_of);
        let mm = KArc::try_new(Mm {
            handle: Handle::new(satp),
            space: SleepLock::new(Awaited::SpaceLock, space),
            resident: AtomicUsize::new(0),
            page_tables: AtomicUsize::new(0),
            records: AtomicUsize::new(0),
        })?;
        drop(mm.lock());
        Ok(mm)
    }

    /// What it takes to run in it.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Locks the space.
    pub fn lock(&self) -> Locked<'_> {
        Locked {
            space: self.space.lock(),
            mm: self,
        }
    }

    /// Puts another space in the place of this one, and gives that back. `satp` for the other comes with
    /// it: who runs here has to take it into use before the old space goes.
    pub fn replace(&self, space: Option<Space>) -> (Option<Space>, usize) {
        let satp = space.as_ref().map_or(kernel_space::satp(), satp_of);
        (core::mem::replace(&mut *self.lock(), space), satp)
    }

    /// Pages of memory that it has, as of the last time that somebody had it locked.
    pub fn resident(&self) -> usize {
        self.resident.load(Ordering::Relaxed)
    }

    /// Pages of its page table, as of the same time.
    pub fn page_tables(&self) -> usize {
        self.page_tables.load(Ordering::Relaxed)
    }

    /// All pages that would come back with it, if it shares none with others.
    pub fn pages(&self) -> usize {
        self.resident() + self.page_tables() + self.records.load(Ordering::Relaxed)
    }
}

/// The right to use the space. What is known without the lock is brought up to date at its end.
pub struct Locked<'a> {
    space: SleepGuard<'a, Option<Space>>,
    mm: &'a Mm,
}

impl Deref for Locked<'_> {
    type Target = Option<Space>;
    fn deref(&self) -> &Option<Space> {
        &self.space
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Option<Space> {
        &mut self.space
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let space = self.space.as_ref();
        let counts = space.map_or([0; 3], |space| {
            [space.resident(), space.page_tables(), space.record_pages()]
        });
        let places = [&self.mm.resident, &self.mm.page_tables, &self.mm.records];
        for (place, count) in places.into_iter().zip(counts) {
            place.store(count, Ordering::Relaxed);
        }
    }
}
