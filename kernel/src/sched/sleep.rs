//! Locks whose waiters sleep.

use super::Awaited;
use super::thread::try_current;
use super::wait::WaitQueue;
use crate::arch::held_locks::HeldLock;
use crate::arch::{hart, unwind};
use crate::symbols::Symbol;
use crate::sync::{SpinLock, rank};
use core::sync::atomic::{AtomicU32, Ordering};
use lock_api::{GuardNoSend, Mutex, MutexGuard, RawMutex};

const RANK: u8 = rank::DEVICE;

/// A value behind a lock that may be held over a wait for the disk. Only threads take it.
pub struct SleepLock<T>(Mutex<RawSleep, T>);

/// The right to use the value of a [`SleepLock`].
pub type SleepGuard<'a, T> = MutexGuard<'a, RawSleep, T>;

/// The lock of a memory object, as the crate `vm` takes it.
pub type ObjectLock = RawSleep;

/// The part of the lock that does not know the value. Without contention it is one atomic operation to
/// take it and one to release it (as in Drepper, "Futexes Are Tricky").
pub struct RawSleep {
    state: AtomicU32,
    /// HeldLock from the look at a lock that is held until the thread is in the queue.
    gate: SpinLock<(), RANK>,
    waiting: WaitQueue,
}

const FREE: u32 = 0;
const HELD: u32 = 1;
/// HeldLocks, and there may be somebody in the queue.
const CONTENDED: u32 = 2;

impl RawSleep {
    const fn new(name: Awaited) -> RawSleep {
        RawSleep {
            state: AtomicU32::new(FREE),
            gate: SpinLock::new(()),
            waiting: WaitQueue::new(name),
        }
    }

    #[inline(always)]
    fn acquire(&self) -> bool {
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        let taken = self.state.compare_exchange(FREE, HELD, success, failure);
        taken.is_ok()
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        let mut gate = self.gate.lock();
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            gate = self.waiting.wait_uninterruptible(gate);
        }
    }

    /// Panics, in checked builds, if the running thread would wait for itself.
    #[cold]
    fn check_not_own(&self, at: usize) {
        let _irq = hart::irq_save();
        let thread = try_current();
        let held = thread.and_then(|thread| {
            let mut held = thread.held_locks().iter();
            held.find(|held| held.lock == self.waiting.address())
        });
        if let Some(held) = held {
            let (since, at) = (Symbol(held.at), Symbol(at));
            let name = Awaited::name(held.kind);
            panic!("{name} taken twice by one thread: in{since}, and again in{at}");
        }
    }

    /// Notes, in checked builds, that the running thread has taken the lock.
    fn record(&self, at: usize) {
        // An interrupt may list what the thread holds, and try locks of its own for that.
        let _irq = hart::irq_save();
        if let Some(thread) = try_current() {
            let (kind, lock) = (self.waiting.awaited() as u8, self.waiting.address());
            thread.held_locks().push(HeldLock { kind, lock, at });
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // Whoever found the lock held is in the queue behind this.
        drop(self.gate.lock());
        self.waiting.wake_one();
    }
}

// SAFETY: `state` goes from `FREE` to another value by one atomic operation, so one thread has it at a time.
unsafe impl RawMutex for RawSleep {
    /// Of a memory object: other locks say what they are ([`SleepLock::new`]).
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "how lock_api makes new locks"
    )]
    const INIT: RawSleep = RawSleep::new(Awaited::ObjectLock);
    type GuardMarker = GuardNoSend;

    #[inline(never)]
    fn lock(&self) {
        if cfg!(debug_assertions) {
            // Checks that the thread holds no spin lock that comes after.
            drop(self.gate.lock());
        }
        if !self.acquire() {
            if cfg!(debug_assertions) {
                self.check_not_own(unwind::return_address());
            }
            self.wait();
        }
        if cfg!(debug_assertions) {
            self.record(unwind::return_address());
        }
    }

    /// Never waits, so it may be called with spin locks held.
    #[inline(never)]
    fn try_lock(&self) -> bool {
        let taken = self.acquire();
        if cfg!(debug_assertions) && taken {
            self.record(unwind::return_address());
        }
        taken
    }

    #[inline(never)]
    unsafe fn unlock(&self) {
        if cfg!(debug_assertions)
            && let Some(thread) = try_current()
        {
            let _irq = hart::irq_save();
            thread.held_locks().pop(self.waiting.address());
        }
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            self.wake();
        }
    }
}

impl<T> SleepLock<T> {
    /// An unlocked value; `name` is what those wait for who want the lock.
    pub const fn new(name: Awaited, value: T) -> SleepLock<T> {
        SleepLock(Mutex::from_raw(RawSleep::new(name), value))
    }

    /// Waits until the lock is free and takes it.
    #[inline(always)]
    pub fn lock(&self) -> SleepGuard<'_, T> {
        self.0.lock()
    }
}
