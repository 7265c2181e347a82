//! A hart that enters a space while another changes its table, in orders that `shuttle` picks: a thousand
//! random ones for each number of ASIDs, the same on each run.

extern crate std;

use super::{Asids, Entrance, Tag, Targets};
use crate::Flush;
use core::sync::atomic::{AtomicU64, Ordering};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner, thread};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

/// One page table with one entry, and two harts that may have it in their TLBs, by the ASID.
struct World {
    asids: Asids<2>,
    space: Tag,
    elsewhere: Tag,
    /// The frame that the entry leads to.
    entry: AtomicU64,
    freed: Mutex<HashSet<u64>>,
    tlbs: [Mutex<HashMap<u16, u64>>; 2],
}

impl World {
    fn tlb(&self, hart: usize) -> MutexGuard<'_, HashMap<u16, u64>> {
        self.tlbs[hart].lock().expect("no test panicked")
    }

    /// Enters a space, leaves the one before, and gives the ASID. Hardware walks ahead of any access.
    fn switch(&self, hart: usize, from: &Tag, to: &Tag) -> u16 {
        let Entrance { asid, flush } = self.asids.enter(hart, to);
        thread::yield_now();
        match flush {
            Flush::Nothing | Flush::Page(_) => {}
            Flush::Space => drop(self.tlb(hart).remove(&asid)),
            Flush::All => self.tlb(hart).clear(),
        }
        thread::yield_now();
        from.leave(hart);
        asid
    }

    /// An access by the program: with what the TLB has, or else after a walk.
    fn access(&self, hart: usize, asid: u16) {
        thread::yield_now();
        let walk = || self.entry.load(Ordering::Relaxed);
        let frame = *self.tlb(hart).entry(asid).or_insert_with(walk);
        let freed = self.freed.lock().expect("no test panicked");
        assert!(!freed.contains(&frame), "hart {hart} reaches frame {frame}");
    }

    fn run(&self, hart: usize) {
        for _ in 0..3 {
            let asid = self.switch(hart, &self.elsewhere, &self.space);
            for _ in 0..thread_rng().gen_range(0..3) {
                self.access(hart, asid);
            }
            self.switch(hart, &self.space, &self.elsewhere);
        }
    }

    /// Gives the page other frames, and frees the old ones.
    fn change(&self, hart: usize) {
        let mut asid = self.switch(hart, &self.space, &self.elsewhere);
        for new in 1..4 {
            let runs = thread_rng().gen_bool(0.5);
            if runs {
                asid = self.switch(hart, &self.elsewhere, &self.space);
                self.access(hart, asid);
            }
            let old = self.entry.swap(new, Ordering::Relaxed);
            let Targets { here, others } = self.space.shoot_down(hart);
            assert_eq!(
                here, runs,
                "whether the hart that changes it runs the space"
            );
            if here {
                self.tlb(hart).remove(&asid);
            }
            thread::yield_now();
            if others != 0 {
                self.tlb(1 - hart).clear();
            }
            self.freed.lock().expect("no test panicked").insert(old);
            if runs {
                self.access(hart, asid);
                self.switch(hart, &self.space, &self.elsewhere);
            }
        }
    }
}

#[test]
fn no_hart_reaches_a_frame_that_was_freed() {
    for last in [0, 1, 2, 8] {
        let scheduler = RandomScheduler::new_from_seed(0x9a60da, 1000);
        Runner::new(scheduler, Config::new()).run(move || {
            let world = Arc::new(World {
                asids: Asids::new(),
                space: Tag::new(),
                elsewhere: Tag::new(),
                entry: AtomicU64::new(0),
                freed: Mutex::default(),
                tlbs: Default::default(),
            });
            world.asids.set_up(last);
            let other = {
                let world = world.clone();
                thread::spawn(move || world.run(1))
            };
            world.change(0);
            other.join().expect("no thread panics");
            assert!(!world.space.is_active(), "both harts have left");
        });
    }
}
