//! Spin locks: interrupts are off while one is held, so an interrupt never waits for its own hart.

use super::{Once, rank};
use crate::arch::held_locks::HeldLock;
use crate::arch::preserve_most::{self, PreserveMost};
use crate::arch::{hart, timer, unwind};
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use lock_api::{GuardNoSend, Mutex, MutexGuard, RawMutex};

/// The lock itself. `RANK` is its place in the order of [`super::rank`].
pub struct RawSpin<const RANK: u8> {
    locked: Flag,
}

/// [`FREE`] or [`LOCKED`]. A word: the processor has no exchange for a byte, and what takes its place is
/// longer.
type Flag = AtomicU32;
const FREE: u32 = 0;
const LOCKED: u32 = 1;

/// A value behind a spin lock.
pub type SpinLock<T, const RANK: u8> = Mutex<RawSpin<RANK>, T>;
/// The right to use the value.
pub type SpinGuard<'a, T, const RANK: u8> = MutexGuard<'a, RawSpin<RANK>, T>;

// SAFETY: `locked` goes from `FREE` to `LOCKED` by one atomic exchange, so one holder has it at a time.
unsafe impl<const RANK: u8> RawMutex for RawSpin<RANK> {
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "how lock_api makes new locks"
    )]
    const INIT: Self = RawSpin {
        locked: Flag::new(FREE),
    };
    type GuardMarker = GuardNoSend;

    #[inline]
    fn lock(&self) {
        if cfg!(debug_assertions) {
            return lock_checked(&self.locked, RANK);
        }
        hart::push_off();
        acquire(&self.locked, RANK);
    }

    #[inline]
    fn try_lock(&self) -> bool {
        if cfg!(debug_assertions) {
            return try_lock_checked(&self.locked, RANK);
        }
        hart::push_off();
        try_acquire(&self.locked)
    }

    #[inline]
    unsafe fn unlock(&self) {
        if cfg!(debug_assertions) {
            return unlock_checked(&self.locked);
        }
        release(&self.locked);
    }
}

#[inline(always)]
fn acquire(locked: &Flag, rank: u8) {
    if locked.swap(LOCKED, Ordering::Acquire) != FREE {
        preserve_most::call::<Contention>(locked, rank.into());
    }
}

/// How often a hart looks at a lock before it lets the host run others for a moment.
const LOOKS: usize = 10_000;

/// Seconds after which a hart that still spins says so, once.
pub const LONG_SPIN: u64 = 5;

static REPORT: Once<fn(HeldLock)> = Once::new();

/// Says what is to be called, with interrupts off, when a hart has spun for [`LONG_SPIN`] seconds.
pub fn on_long_spin(report: fn(HeldLock)) {
    REPORT.set(report);
}

struct Contention;

impl PreserveMost for Contention {
    type Argument = Flag;

    #[cold]
    extern "C" fn run(locked: &Flag, rank: usize, at: usize) {
        contend(locked, rank as u8, at);
    }
}

/// Waits until the lock is free and takes it; `at` is behind the call that asks for it. For others to
/// see, the hart records what it waits for. A lock is held for a few hundred instructions, unless the
/// host does not run the holder's hart; to spin on would only keep the host from it.
fn contend(locked: &Flag, rank: u8, at: usize) {
    let hart = hart::this();
    let wanted = describe(locked, rank, at);
    hart.spinning_on.push(wanted);
    let mut report_at = timer::now() + LONG_SPIN * timer::frequency();
    loop {
        let free = (0..LOOKS).any(|_| {
            hint::spin_loop();
            locked.load(Ordering::Relaxed) == FREE
        });
        if !free {
            timer::pause();
            if timer::now() >= report_at {
                report_at = u64::MAX;
                REPORT.try_get().inspect(|report| report(wanted));
            }
        } else if locked.swap(LOCKED, Ordering::Acquire) == FREE {
            break;
        }
    }
    hart.spinning_on.pop(wanted.lock);
}

/// Interrupts are off; they stay off only if the lock was taken.
#[inline(always)]
fn try_acquire(locked: &Flag) -> bool {
    let taken = locked.swap(LOCKED, Ordering::Acquire) == FREE;
    if !taken {
        hart::pop_off();
    }
    taken
}

#[inline(always)]
fn release(locked: &Flag) {
    locked.store(FREE, Ordering::Release);
    hart::pop_off();
}

// With the checks of ranks the operations are long: they stand in the image once, and not at each
// place that locks.

fn describe(locked: &Flag, rank: u8, at: usize) -> HeldLock {
    let lock = ptr::from_ref(locked).addr();
    HeldLock {
        kind: rank,
        lock,
        at,
    }
}

#[inline(never)]
fn lock_checked(locked: &Flag, rank: u8) {
    hart::push_off();
    let taken = describe(locked, rank, unwind::return_address());
    rank::push(&hart::this().held_locks, taken);
    acquire(locked, rank);
}

#[inline(never)]
fn try_lock_checked(locked: &Flag, rank: u8) -> bool {
    hart::push_off();
    let taken = try_acquire(locked);
    if taken {
        let taken = describe(locked, rank, unwind::return_address());
        rank::push_tried(&hart::this().held_locks, taken);
    }
    taken
}

#[inline(never)]
fn unlock_checked(locked: &Flag) {
    rank::pop(&hart::this().held_locks, ptr::from_ref(locked).addr());
    release(locked);
}
