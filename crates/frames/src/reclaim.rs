//! Reclaim: shrinkers, which are called before an allocation fails.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use lock_api::{Mutex, RawMutex};

/// Most shrinkers that can be registered.
pub const MAX_SHRINKERS: usize = 8;

/// A cache that can give frames back.
///
/// It is called with no lock of the allocator held, and may free and allocate; an allocation that fails
/// meanwhile on the same CPU does not reclaim again. It should not wait for a lock that an allocating caller
/// may hold, but return 0.
///
/// ```
/// use frames::{Frames, Layout, Pfn, Shrinker};
/// use std::sync::Mutex;
/// # use core::sync::atomic::{AtomicBool, Ordering};
/// # struct Spin(AtomicBool);
/// # unsafe impl lock_api::RawMutex for Spin {
/// #     const INIT: Spin = Spin(AtomicBool::new(false));
/// #     type GuardMarker = lock_api::GuardNoSend;
/// #     fn lock(&self) { while !self.try_lock() {} }
/// #     fn try_lock(&self) -> bool { !self.0.swap(true, Ordering::Acquire) }
/// #     unsafe fn unlock(&self) { self.0.store(false, Ordering::Release) }
/// # }
/// # let layout = Layout { usable: &[Pfn::new(0x80000)..Pfn::new(0x80040)], reserved: &[] };
/// # let metadata = vec![0; layout.metadata_bytes() / 8].leak();
/// // 64 frames, all of which a cache of something has.
/// struct Cache(&'static Frames<Spin>, Mutex<Vec<Pfn>>);
///
/// impl Shrinker for Cache {
///     fn shrink(&self, wanted: usize) -> usize {
///         let mut held = self.1.lock().unwrap();
///         let some = wanted.min(held.len());
///         held.drain(..some).for_each(|frame| self.0.free(0, frame, 0).unwrap());
///         some
///     }
///     fn reclaimable(&self) -> usize {
///         self.1.lock().unwrap().len()
///     }
/// }
///
/// let frames: &'static Frames<Spin> =
///     Box::leak(Box::new(Frames::new(&layout, metadata, 1).unwrap()));
/// let mut held = vec![Pfn::new(0); 64];
/// frames.alloc_bulk(0, &mut held)?;
/// let cache: &'static Cache = Box::leak(Box::new(Cache(frames, Mutex::new(held))));
/// frames.register_shrinker(cache);
/// assert_eq!((frames.free_count(), frames.stats().reclaimable), (0, 64));
/// assert!(frames.alloc(0, 5).is_ok(), "a block of what the cache gave back");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Shrinker: Sync {
    /// Frees about `wanted` frames, or what it has; returns how many.
    fn shrink(&self, wanted: usize) -> usize;

    /// About how many frames it could free, for statistics.
    fn reclaimable(&self) -> usize;
}

/// The registered shrinkers.
pub(crate) struct Reclaim<R: RawMutex> {
    list: Mutex<R, [Option<&'static dyn Shrinker>; MAX_SHRINKERS]>,
    /// CPUs in reclaim, as bits, so that reclaim does not recurse (Linux: `PF_MEMALLOC`); the last bit is for
    /// all further CPUs.
    in_reclaim: AtomicU32,
    /// Allocations that entered reclaim (Linux: `allocstall`).
    stalls: AtomicUsize,
    /// Those that failed.
    failed: AtomicUsize,
}

impl<R: RawMutex> Reclaim<R> {
    pub(crate) const fn new() -> Reclaim<R> {
        Reclaim {
            list: Mutex::new([None; MAX_SHRINKERS]),
            in_reclaim: AtomicU32::new(0),
            stalls: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        }
    }

    /// Registers a shrinker after the others; false if the list is full.
    pub(crate) fn register(&self, shrinker: &'static dyn Shrinker) -> bool {
        let mut list = self.list.lock();
        let Some(slot) = list.iter_mut().find(|slot| slot.is_none()) else {
            return false;
        };
        *slot = Some(shrinker);
        true
    }

    /// The registered shrinkers; the lock is held only to read the list.
    fn each(&self) -> impl Iterator<Item = &'static dyn Shrinker> {
        (0..MAX_SHRINKERS).map_while(|i| self.list.lock().get(i).copied().flatten())
    }

    /// Calls one shrinker after the other, until `retry` succeeds.
    #[cold]
    pub(crate) fn shrink_until<T>(
        &self,
        cpu: usize,
        wanted: usize,
        mut retry: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.stalls.fetch_add(1, Ordering::Relaxed);
        let bit = 1 << cpu.min(31);
        if self.in_reclaim.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return None;
        }
        let result = self.each().find_map(|shrinker| {
            shrinker.shrink(wanted);
            retry()
        });
        self.in_reclaim.fetch_and(!bit, Ordering::Relaxed);
        result
    }

    /// Counts an allocation that failed in the end.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Allocations that entered reclaim, and those that failed.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (count(&self.stalls), count(&self.failed))
    }

    /// Calls all shrinkers for all they have; returns how many frames they freed.
    pub(crate) fn shrink_all(&self) -> usize {
        self.each()
            .map(|shrinker| shrinker.shrink(usize::MAX))
            .sum()
    }

    /// What all shrinkers could free.
    pub(crate) fn reclaimable(&self) -> usize {
        self.each().map(|shrinker| shrinker.reclaimable()).sum()
    }
}
