//! Spin locks. Interrupts are disabled while one is held, so that an interrupt handler cannot deadlock with the
//! code that it interrupts.

use super::{Once, rank};
use crate::arch::held_locks::HeldLock;
use crate::arch::preserve_most::{self, PreserveMost};
use crate::arch::{hart, timer, unwind};
use core::hint;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};
use lock_api::{GuardNoSend, Mutex, MutexGuard, RawMutex};

/// The lock without the value. `RANK` is its rank, see [`super::rank`].
pub struct RawSpin<const RANK: u8> {
    locked: Flag,
}

/// [`FREE`] or [`LOCKED`]. A word, because RISC-V has no atomic swap of a byte.
type Flag = AtomicU32;
const FREE: u32 = 0;
const LOCKED: u32 = 1;

/// A value guarded by a spin lock.
pub type SpinLock<T, const RANK: u8> = Mutex<RawSpin<RANK>, T>;
/// The guard of a [`SpinLock`]; dropping it releases the lock.
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
        preserve_most::call::<SlowPath>(locked, rank.into());
    }
}

/// Polls of the lock between two pauses.
const SPINS: usize = 10_000;

/// Seconds of spinning until a hart reports it, once.
pub const LONG_SPIN: u64 = 5;

static REPORT: Once<fn(HeldLock)> = Once::new();

/// Sets the function to call, with interrupts disabled, when a hart has spun for [`LONG_SPIN`] seconds.
pub fn on_long_spin(report: fn(HeldLock)) {
    REPORT.set(report);
}

struct SlowPath;

impl PreserveMost for SlowPath {
    type Argument = Flag;

    #[cold]
    extern "C" fn run(locked: &Flag, rank: usize, at: usize) {
        lock_slow_path(locked, rank as u8, at);
    }
}

/// Spins until the lock is acquired; `at` is the return address of the acquiring call. The hart records the
/// lock for state dumps. A lock is held for a few hundred instructions, unless a hypervisor has preempted the
/// holder's hart; hence the pauses, which let it run.
fn lock_slow_path(locked: &Flag, rank: u8, at: usize) {
    let hart = hart::this();
    let wanted = held_lock(locked, rank, at);
    hart.spinning_on.push(wanted);
    let mut report_at = timer::now() + LONG_SPIN * timer::frequency();
    loop {
        let free = (0..SPINS).any(|_| {
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

/// Undoes the caller's `push_off` unless the lock is acquired.
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

// With rank checks the operations are long, so they are not inlined.

fn held_lock(locked: &Flag, rank: u8, at: usize) -> HeldLock {
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
    let taken = held_lock(locked, rank, unwind::return_address());
    rank::push(&hart::this().held_locks, taken);
    acquire(locked, rank);
}

#[inline(never)]
fn try_lock_checked(locked: &Flag, rank: u8) -> bool {
    hart::push_off();
    let taken = try_acquire(locked);
    if taken {
        let taken = held_lock(locked, rank, unwind::return_address());
        rank::push_trylock(&hart::this().held_locks, taken);
    }
    taken
}

#[inline(never)]
fn unlock_checked(locked: &Flag) {
    rank::pop(&hart::this().held_locks, ptr::from_ref(locked).addr());
    release(locked);
}
