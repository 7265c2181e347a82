//! Whom to ask when memory runs out.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use lock_api::{Mutex, RawMutex};

/// Most shrinkers that can be registered.
pub const MAX_SHRINKERS: usize = 8;

/// A cache that can give frames back.
///
/// It is called with no lock of the allocator held, and may free and allocate; an allocation that
/// fails meanwhile on the same CPU fails without asking again. It should not wait for a lock that
/// somebody who allocates may hold: better give back nothing.
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
    /// Gives back about `wanted` frames or what there is; how many it gave.
    fn shrink(&self, wanted: usize) -> usize;

    /// Frames it could give back, about; for statistics.
    fn reclaimable(&self) -> usize;
}

/// The registered shrinkers.
pub(crate) struct Pressure<R: RawMutex> {
    list: Mutex<R, [Option<&'static dyn Shrinker>; MAX_SHRINKERS]>,
    /// A bit for each CPU that is asking; the last one for all further CPUs.
    asking: AtomicU32,
    /// Allocations that came here.
    pressed: AtomicUsize,
    /// Those that got nothing.
    failed: AtomicUsize,
}

impl<R: RawMutex> Pressure<R> {
    pub(crate) const fn new() -> Pressure<R> {
        Pressure {
            list: Mutex::new([None; MAX_SHRINKERS]),
            asking: AtomicU32::new(0),
            pressed: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
        }
    }

    /// Adds a shrinker behind the others; false when there is no room.
    pub(crate) fn register(&self, shrinker: &'static dyn Shrinker) -> bool {
        let mut list = self.list.lock();
        let Some(slot) = list.iter_mut().find(|slot| slot.is_none()) else {
            return false;
        };
        *slot = Some(shrinker);
        true
    }

    /// The registered ones, each taken out of the list with the lock held and used without.
    fn each(&self) -> impl Iterator<Item = &'static dyn Shrinker> {
        (0..MAX_SHRINKERS).map_while(|i| self.list.lock().get(i).copied().flatten())
    }

    /// Asks one shrinker after the other for `wanted` frames, until `retry` has a result.
    #[cold]
    pub(crate) fn relieve<T>(
        &self,
        cpu: usize,
        wanted: usize,
        mut retry: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        self.pressed.fetch_add(1, Ordering::Relaxed);
        let bit = 1 << cpu.min(31);
        if self.asking.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return None;
        }
        let result = self.each().find_map(|shrinker| {
            shrinker.shrink(wanted);
            retry()
        });
        self.asking.fetch_and(!bit, Ordering::Relaxed);
        result
    }

    /// Counts an allocation that failed in the end.
    pub(crate) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Allocations that came here, and those that got nothing.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (count(&self.pressed), count(&self.failed))
    }

    /// Asks all of them for all they have; how many frames they gave.
    pub(crate) fn shrink_all(&self) -> usize {
        self.each()
            .map(|shrinker| shrinker.shrink(usize::MAX))
            .sum()
    }

    /// What all of them could give back.
    pub(crate) fn reclaimable(&self) -> usize {
        self.each().map(|shrinker| shrinker.reclaimable()).sum()
    }
}
