//! The harts of a machine: which space each runs, and TLB shootdowns.

use crate::mmu::{HARTS, Tlb, go_to, here};
use crate::ram::{Ram, index_of};
use frames::Pfn;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::{Mutex, MutexGuard, RwLock};
use vm::Flush;
use vm::asid::{Asids, Entrance, Tag, Targets};

/// A lock that threads wait for in turns.
pub(crate) struct Spin(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
unsafe impl lock_api::RawMutex for Spin {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Spin = Spin(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            std::thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Release);
    }
}

/// Harts, and what is known of the spaces they run.
pub(crate) struct Harts {
    tlbs: [Mutex<Tlb>; HARTS],
    asids: Asids<HARTS>,
    /// Of each frame, the tag of the space whose root it is.
    tags: Vec<RwLock<Tag>>,
}

impl Harts {
    pub(crate) fn new(frames: usize) -> Harts {
        Harts {
            tlbs: Default::default(),
            asids: Asids::new(),
            tags: (0..frames).map(|_| RwLock::default()).collect(),
        }
    }
}

impl Ram {
    /// This hart's TLB.
    pub(crate) fn tlb(&self) -> MutexGuard<'_, Tlb> {
        self.tlb_of(here())
    }

    fn tlb_of(&self, hart: usize) -> MutexGuard<'_, Tlb> {
        self.harts().tlbs[hart].lock().expect("no test panicked")
    }

    fn tag<R>(&self, root: Pfn, act: impl FnOnce(&Tag) -> R) -> R {
        let tag = &self.harts().tags[index_of(root)];
        act(&tag.read().expect("no test panicked"))
    }

    /// From now on there are so many ASIDs; without any, a switch flushes everything.
    pub(crate) fn use_asids(&self, count: u16) {
        self.harts().asids.set_up(count);
    }

    /// This hart goes on in the space with this root.
    pub(crate) fn enter(&self, root: Pfn) {
        if self.tlb().root() != Some(root) {
            let entrance = self.tag(root, |tag| self.harts().asids.enter(here(), tag));
            let old = self.tlb().load(Some(root), entrance);
            old.inspect(|&old| self.tag(old, |tag| tag.leave(here())));
        }
    }

    /// This hart runs no space any more.
    pub(crate) fn leave(&self) {
        let nothing = Entrance {
            asid: 0,
            flush: Flush::Space,
        };
        let old = self.tlb().load(None, nothing);
        old.inspect(|&old| self.tag(old, |tag| tag.leave(here())));
    }

    /// No hart runs any space any more.
    pub(crate) fn leave_everywhere(&self) {
        let from = here();
        for hart in 0..HARTS {
            go_to(hart);
            self.leave();
        }
        go_to(from);
    }

    /// No hart runs any space, or knows of one.
    pub(crate) fn reset_tlbs(&self) {
        self.leave_everywhere();
        (0..HARTS).for_each(|hart| self.tlb_of(hart).reset());
    }

    /// What the TLBs have must be true.
    pub(crate) fn check_tlbs(&self) {
        (0..HARTS).for_each(|hart| self.tlb_of(hart).check(self));
    }

    /// A space with this root begins.
    pub(crate) fn begin(&self, root: Pfn) {
        let tag = &self.harts().tags[index_of(root)];
        let mut tag = tag.write().expect("no test panicked");
        assert!(!tag.is_active(), "{root:?} is the root that a hart runs");
        *tag = Tag::new();
    }

    /// Flushes what is stale wherever the space is active.
    pub(crate) fn flush_everywhere(&self, root: Pfn, stale: Flush) {
        let concerned = self.tag(root, |tag| tag.shoot_down(here()));
        let Targets { here, others } = concerned;
        self.tlb().count(stale);
        if here {
            self.tlb().flush(stale);
        }
        for hart in (0..HARTS).filter(|hart| others >> hart & 1 != 0) {
            self.tlb_of(hart).flush_all_asids(stale);
        }
    }

    /// Flushes this hart's TLB, if it runs the space.
    pub(crate) fn flush_this_hart(&self, root: Pfn, stale: Flush) {
        let mut tlb = self.tlb();
        tlb.count(stale);
        if tlb.root() == Some(root) {
            tlb.flush(stale);
        }
    }

    /// A frame that is given up must be no table that a hart may walk: whoever else has it may give
    /// it back at any time. Unless another space gives it up, not as the `last`, and that which the hart runs has it.
    pub(crate) fn check_not_walked(&self, pfn: Pfn, last: bool) {
        for hart in 0..HARTS {
            let way = self.tlb_of(hart).way_to(pfn);
            let Some((root, chunk)) = way else { continue };
            let entry = |table: Pfn, index| self.words(table)[index as usize % 512].load(Relaxed);
            let middle = entry(root, chunk >> 9);
            let linked = middle & 1 == 1
                && entry(Pfn::new((middle >> 10) as u32), chunk) & !(1 << 8)
                    == u64::from(pfn.get()) << 10 | 1;
            assert!(
                linked && !last,
                "{pfn:?} is given up, and hart {hart} may walk it as a table"
            );
        }
    }

    /// A frame that is free must be out of reach of all harts.
    pub(crate) fn check_not_reached(&self, pfn: Pfn) {
        for hart in 0..HARTS {
            let tlb = self.tlb_of(hart);
            let reached = tlb.root() == Some(pfn) || tlb.reaches(pfn);
            assert!(!reached, "{pfn:?} is freed, and hart {hart} may access it");
        }
    }
}
