//! Sleeping locks.

use super::Wchan;
use super::thread::try_current;
use super::wait::WaitQueue;
use crate::arch::held_locks::HeldLock;
use crate::arch::{hart, unwind};
use crate::symbols::Symbol;
use crate::sync::{SpinLock, rank};
use core::sync::atomic::{AtomicU32, Ordering};
use lock_api::{GuardNoSend, Mutex, MutexGuard, RawMutex};

const RANK: u8 = rank::DEVICE;

/// A value guarded by a sleeping lock, which may be held while waiting for the disk. Only threads acquire it.
pub struct SleepLock<T>(Mutex<RawSleep, T>);

/// The guard of a [`SleepLock`]; dropping it releases the lock.
pub type SleepGuard<'a, T> = MutexGuard<'a, RawSleep, T>;

/// The lock type of memory objects in the crate `vm`.
pub type ObjectLock = RawSleep;

/// The lock without the value. Uncontended, it takes one atomic operation to acquire and one to release (the
/// second mutex of Drepper, "Futexes Are Tricky").
pub struct RawSleep {
    state: AtomicU32,
    /// Held by a contender from its look at `state` until it is in the queue.
    wait_lock: SpinLock<(), RANK>,
    waiters: WaitQueue,
}

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and there may be waiters.
const CONTENDED: u32 = 2;

impl RawSleep {
    const fn new(name: Wchan) -> RawSleep {
        RawSleep {
            state: AtomicU32::new(FREE),
            wait_lock: SpinLock::new(()),
            waiters: WaitQueue::new(name),
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
        let mut wait_lock = self.wait_lock.lock();
        while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {
            wait_lock = self.waiters.wait_uninterruptible(wait_lock);
        }
    }

    /// Panics if the running thread holds the lock. In checked builds.
    #[cold]
    fn check_recursion(&self, at: usize) {
        let _irq = hart::irq_save();
        let thread = try_current();
        let held = thread.and_then(|thread| {
            let mut held = thread.held_locks().iter();
            held.find(|held| held.lock == self.waiters.address())
        });
        if let Some(held) = held {
            let (since, at) = (Symbol(held.at), Symbol(at));
            let name = Wchan::name(held.kind);
            panic!("{name} taken twice by one thread: in{since}, and again in{at}");
        }
    }

    /// Records that the running thread holds the lock. In checked builds.
    fn record(&self, at: usize) {
        // An interrupt handler may read the list of held locks.
        let _irq = hart::irq_save();
        if let Some(thread) = try_current() {
            let (kind, lock) = (self.waiters.wchan() as u8, self.waiters.address());
            thread.held_locks().push(HeldLock { kind, lock, at });
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // After this, whoever saw the lock held is in the queue.
        drop(self.wait_lock.lock());
        self.waiters.wake_one();
    }
}

// SAFETY: `state` goes from `FREE` to another value by one atomic operation, so one thread holds the lock.
unsafe impl RawMutex for RawSleep {
    /// The lock of a memory object; others get their wait channel from [`SleepLock::new`].
    #[allow(
        clippy::declare_interior_mutable_const,
        reason = "how lock_api makes new locks"
    )]
    const INIT: RawSleep = RawSleep::new(Wchan::ObjectLock);
    type GuardMarker = GuardNoSend;

    #[inline(never)]
    fn lock(&self) {
        if cfg!(debug_assertions) {
            // Checks the rank: the thread may not hold a spin lock.
            drop(self.wait_lock.lock());
        }
        if !self.acquire() {
            if cfg!(debug_assertions) {
                self.check_recursion(unwind::return_address());
            }
            self.wait();
        }
        if cfg!(debug_assertions) {
            self.record(unwind::return_address());
        }
    }

    /// Never sleeps, so it may be called with spin locks held.
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
            thread.held_locks().pop(self.waiters.address());
        }
        if self.state.swap(FREE, Ordering::Release) == CONTENDED {
            self.wake();
        }
    }
}

impl<T> SleepLock<T> {
    /// An unlocked value; `name` is the wait channel of the waiters.
    pub const fn new(name: Wchan, value: T) -> SleepLock<T> {
        SleepLock(Mutex::from_raw(RawSleep::new(name), value))
    }

    /// Acquires the lock; sleeps until it is free, uninterruptibly.
    #[inline(always)]
    pub fn lock(&self) -> SleepGuard<'_, T> {
        self.0.lock()
    }

    /// Takes the lock if it is free; never waits.
    pub fn try_lock(&self) -> Option<SleepGuard<'_, T>> {
        self.0.try_lock()
    }
}
