//! Errors on purpose, to test the kernel's checks: the boot argument `provoke=`. Compare Linux's `lkdtm`.

use crate::proc::{TABLE, current};
use crate::sync::{SpinLock, rank};

static RUN_RANKED: SpinLock<(), { rank::RUN }> = SpinLock::new(());

/// A bug to provoke.
#[derive(Clone, Copy)]
pub enum Mistake {
    /// Acquires a spin lock that this hart holds.
    Spinlock,
    /// Acquires a spin lock while holding one of a higher rank.
    Order,
    /// Acquires a sleeping lock that this thread holds.
    Sleeplock,
    /// Reads an unmapped address.
    Fault,
}

impl Mistake {
    /// The mistake with this name.
    pub fn from_name(name: &str) -> Option<Mistake> {
        match name {
            "spinlock" => Some(Mistake::Spinlock),
            "order" => Some(Mistake::Order),
            "sleeplock" => Some(Mistake::Sleeplock),
            "fault" => Some(Mistake::Fault),
            _ => None,
        }
    }

    /// Makes the mistake. The process must not have an address space yet.
    pub fn make(self) {
        match self {
            Mistake::Spinlock => {
                let _first = TABLE.lock();
                drop(TABLE.lock());
            }
            Mistake::Order => {
                let _later = RUN_RANKED.lock();
                drop(TABLE.lock());
            }
            Mistake::Sleeplock => {
                let process = current();
                let _first = process.resources.lock();
                drop(process.resources.lock());
            }
            Mistake::Fault => {
                let nothing = core::hint::black_box(core::ptr::without_provenance::<u64>(0x1230));
                // SAFETY: nothing is mapped below the kernel half yet, so this faults and panics.
                unsafe { nothing.read_volatile() };
            }
        }
    }
}
