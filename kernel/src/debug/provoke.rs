//! What the kernel's checks are for, done on purpose: the boot argument `provoke=`. Linux has `lkdtm`
//! for this.

use crate::proc::{TABLE, current};
use crate::sync::{SpinLock, rank};

static LATER: SpinLock<(), { rank::RUN }> = SpinLock::new(());

/// An error of a kernel's programmer.
#[derive(Clone, Copy)]
pub enum Mistake {
    /// Takes a spin lock that this hart holds.
    Spinlock,
    /// Takes a spin lock while one is held that comes after it.
    Order,
    /// Takes a sleeping lock that this process holds.
    Sleeplock,
    /// Reads from an address where nothing is mapped.
    Fault,
}

impl Mistake {
    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Mistake> {
        match name {
            "spinlock" => Some(Mistake::Spinlock),
            "order" => Some(Mistake::Order),
            "sleeplock" => Some(Mistake::Sleeplock),
            "fault" => Some(Mistake::Fault),
            _ => None,
        }
    }

    /// Makes the mistake. For a process that has no address space yet.
    pub fn make(self) {
        match self {
            Mistake::Spinlock => {
                let _first = TABLE.lock();
                drop(TABLE.lock());
            }
            Mistake::Order => {
                let _later = LATER.lock();
                drop(TABLE.lock());
            }
            Mistake::Sleeplock => {
                let process = current();
                let _first = process.own.lock();
                drop(process.own.lock());
            }
            Mistake::Fault => {
                let nothing = core::hint::black_box(core::ptr::without_provenance::<u64>(0x1230));
                // SAFETY: nothing is mapped below the kernel's half yet, so it ends with a panic.
                unsafe { nothing.read_volatile() };
            }
        }
    }
}
