//! Values that are set once at boot and only read afterwards.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const SETTING: u8 = 1;
const SET: u8 = 2;

/// A place for a value that is made at boot.
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: after `set` the value is only shared by reference; `set` succeeds once.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// A place without a value.
    pub const fn new() -> Once<T> {
        Once {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Puts the value in.
    ///
    /// # Panics
    /// If there is one already.
    pub fn set(&self, value: T) {
        let free =
            self.state
                .compare_exchange(EMPTY, SETTING, Ordering::Acquire, Ordering::Relaxed);
        assert!(free.is_ok(), "set twice");
        // SAFETY: only the one caller whose exchange succeeded is here, and nobody reads yet.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(SET, Ordering::Release);
    }

    /// The value, if it has been set.
    #[inline]
    pub fn try_get(&self) -> Option<&T> {
        // SAFETY: `SET` is stored after the value was written, and it never changes again.
        (self.state.load(Ordering::Acquire) == SET)
            .then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value.
    ///
    /// # Panics
    /// If boot has not come to it yet.
    #[inline]
    pub fn get(&self) -> &T {
        match self.try_get() {
            Some(value) => value,
            None => unset(),
        }
    }
}

// Once, not wherever a value is read.
#[cold]
#[inline(never)]
fn unset() -> ! {
    panic!("used before it was set up")
}
