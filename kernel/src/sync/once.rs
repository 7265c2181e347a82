//! Values that are set once, at boot, and only read afterwards.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const SETTING: u8 = 1;
const SET: u8 = 2;

/// A cell that is set at most once.
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: `set` succeeds once; after that the value is only shared by reference.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// An empty cell.
    pub const fn new() -> Once<T> {
        Once {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Sets the value.
    ///
    /// # Panics
    /// If it is set already.
    pub fn set(&self, value: T) {
        let free =
            self.state
                .compare_exchange(EMPTY, SETTING, Ordering::Acquire, Ordering::Relaxed);
        assert!(free.is_ok(), "set twice");
        // SAFETY: only the caller whose exchange succeeded gets here, and nobody reads before `SET`.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(SET, Ordering::Release);
    }

    /// The value, if it has been set.
    #[inline]
    pub fn try_get(&self) -> Option<&T> {
        // SAFETY: `SET` is stored after the value is written, and never changes again.
        (self.state.load(Ordering::Acquire) == SET)
            .then(|| unsafe { (*self.value.get()).assume_init_ref() })
    }

    /// The value.
    ///
    /// # Panics
    /// If it is not set yet.
    #[inline]
    pub fn get(&self) -> &T {
        match self.try_get() {
            Some(value) => value,
            None => unset(),
        }
    }
}

// Out of line: `get` is inlined in many places.
#[cold]
#[inline(never)]
fn unset() -> ! {
    panic!("used before it was set up")
}
