//! The allocator: per-CPU magazines in front of the slabs of each size class. The fast path is here; `slow_path`
//! handles empty and full magazines.

use crate::class::{CLASSES, Shape, TABLE, class_of, shapes};
use crate::descriptor::descriptor_at;
use crate::descriptor_pool::{Pool, RUN_ORDERS};
use crate::error::{Reason, WrongFree};
use crate::magazine::Magazines;
use crate::object::Object;
use crate::pages::Pages;
use crate::redzone::{self, Slot};
use crate::slab_cache::SlabCache;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use frames::{FRAME_SIZE, Pfn};
use lock_api::{Mutex, RawMutex};

/// Mark of a page that is being freed. The mark of a slab is the index of its class.
pub(crate) const RETIRED: u8 = 125;
/// Mark of an object of a whole page.
const OBJECT: u8 = 126;
/// Mark of a page of descriptors.
pub(crate) const DESCRIPTORS: u8 = 127;

/// An allocator of objects of 1 to 4096 bytes.
///
/// `R` is the lock type of each CPU's magazines, of each slab cache and of the descriptor pools. At most one is held
/// at a time, and none while pages are allocated or freed. The argument `cpu` is a hint: any number is safe, that of
/// the current CPU is fast, and `CPUS` and above use no magazine.
///
/// The contents of an object are undefined; with the feature `debug` it is filled with a poison byte.
///
/// ```
/// # use core::sync::atomic::{AtomicBool, Ordering};
/// # struct Spin(AtomicBool);
/// # unsafe impl lock_api::RawMutex for Spin {
/// #     const INIT: Spin = Spin(AtomicBool::new(false));
/// #     type GuardMarker = lock_api::GuardNoSend;
/// #     fn lock(&self) { while !self.try_lock() {} }
/// #     fn try_lock(&self) -> bool { !self.0.swap(true, Ordering::Acquire) }
/// #     unsafe fn unlock(&self) { self.0.store(false, Ordering::Release) }
/// # }
/// # use frames::{Frames, Layout, Pfn};
/// # let bytes = std::alloc::Layout::from_size_align(64 * 4096, 4096)?;
/// # let ram = core::ptr::NonNull::new(unsafe { std::alloc::alloc_zeroed(bytes) }).unwrap();
/// # let layout = Layout { usable: &[Pfn::new(0x80000)..Pfn::new(0x80040)], reserved: &[] };
/// # let metadata = vec![0; layout.metadata_bytes() / 8].leak();
/// # let frames: &'static Frames<Spin> =
/// #     Box::leak(Box::new(Frames::new(&layout, metadata, 1).unwrap()));
/// # let region = unsafe { kmalloc::Region::new(frames, Pfn::new(0x80000), ram) };
/// # let pages = kmalloc::DirectMap::new(region);
/// use kmalloc::{Kmalloc, Reason};
///
/// // For two CPUs, of which this is the second.
/// let (kmalloc, cpu) = (Kmalloc::<Spin, _, 2>::new(pages), 1);
/// let page = kmalloc.alloc(cpu, 4096).expect("there is memory");
/// let small = kmalloc.alloc(cpu, 64).expect("there is memory");
/// assert_eq!(small.addr().get() % 64, 0);
/// let stats = kmalloc.stats();
/// assert_eq!((stats.live(), stats.page_objects, stats.pages()), (2, 1, 3));
///
/// // SAFETY: nobody uses what is freed, if anything is.
/// let error = unsafe { kmalloc.free(cpu, page.add(16)) }.unwrap_err();
/// assert_eq!(error.reason, Reason::Inside { offset: 16, size: 4096 });
/// for object in [page, small] {
///     unsafe { kmalloc.free(cpu, object) }?;
/// }
/// assert_eq!(kmalloc.drain(), 2); // the slab of the small one, and the page of its descriptor
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Kmalloc<R: RawMutex, P: Pages, const CPUS: usize = 8> {
    /// A copy of the shapes in `TABLE`, addressed relative to `self` on the fast path.
    shapes: [Shape; CLASSES],
    pub(crate) pages: P,
    pub(crate) caches: [Mutex<R, Magazines>; CPUS],
    pub(crate) slabs: [Mutex<R, SlabCache>; CLASSES],
    pub(crate) pools: Mutex<R, [Pool; RUN_ORDERS]>,
    /// Number of objects of a whole page.
    pub(crate) page_objects: AtomicUsize,
}

/// The target of a pointer to free.
enum Found {
    /// An object of this class, which was live until now.
    Object(usize, Object),
    /// Not in a slab; it may be a page object.
    NoSlab,
    /// Not a live object.
    Wrong,
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// An allocator without pages.
    pub const fn new(pages: P) -> Self {
        Kmalloc {
            shapes: shapes(),
            pages,
            caches: [const { Mutex::new(Magazines::EMPTY) }; CPUS],
            slabs: [const { Mutex::new(SlabCache::EMPTY) }; CLASSES],
            pools: Mutex::new([Pool::EMPTY; RUN_ORDERS]),
            page_objects: AtomicUsize::new(0),
        }
    }

    /// Allocates an object of at least `size` bytes, aligned to 16 and, for a power of two, to `size`;
    /// [`size_for`](crate::size_for) is for other alignments. `None` for 0 bytes, for more than 4096, and if there
    /// is no memory.
    ///
    /// # Panics
    /// With the feature `debug`, if the object was written to while it was free.
    #[inline]
    pub fn alloc(&self, cpu: usize, size: usize) -> Option<NonNull<u8>> {
        if redzone::ENABLED {
            return self.alloc_armed(cpu, size);
        }
        match class_of(size) {
            Some(index) => self.alloc_object(cpu, index),
            None => self.alloc_page(cpu, size),
        }
    }

    fn alloc_armed(&self, cpu: usize, size: usize) -> Option<NonNull<u8>> {
        let Some(index) = redzone::class_of(size) else {
            let start = self.alloc_page(cpu, size)?;
            // SAFETY: the page was allocated just now.
            unsafe { redzone::arm_page(start, size) };
            return Some(start);
        };
        let start = self.alloc_object(cpu, index)?;
        // SAFETY: the object, of this class, was allocated just now.
        unsafe { Slot::new(start, TABLE.get(index)?) }.arm(size);
        Some(start)
    }

    /// Allocates an object of this class.
    #[inline(always)]
    fn alloc_object(&self, cpu: usize, index: usize) -> Option<NonNull<u8>> {
        let Some(cache) = self.caches.get(cpu) else {
            return self.refill(cpu, index);
        };
        let popped = cache.lock().pop(index);
        match popped {
            Some(object) => Some(object.into_live()),
            None => self.refill(cpu, index),
        }
    }

    /// Allocates a page as one object.
    #[inline(never)]
    fn alloc_page(&self, cpu: usize, size: usize) -> Option<NonNull<u8>> {
        if size == 0 || size > FRAME_SIZE {
            return None;
        }
        let alloc = || self.pages.alloc(cpu);
        let page = alloc().or_else(|| if self.drain() > 0 { alloc() } else { None })?;
        if !self.pages.mark(page, OBJECT, size as u32) {
            return None;
        }
        self.page_objects.fetch_add(1, Ordering::Relaxed);
        NonNull::new(self.pages.address(page))
    }

    /// Frees an object. Of two concurrent calls for one object, one fails.
    ///
    /// # Errors
    /// If `pointer` is not the start of a live object.
    ///
    /// # Safety
    /// Nobody uses the object any more.
    #[inline]
    pub unsafe fn free(&self, cpu: usize, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let Some(cache) = self.caches.get(cpu) else {
            return self.free_uncached(pointer);
        };
        let mut magazines = cache.lock();
        match self.take_back(pointer) {
            Found::Object(index, object) => {
                if redzone::ENABLED {
                    drop(magazines);
                    return self.free_armed(cpu, index, object);
                }
                if !magazines.push(index, object) {
                    self.spill(cpu, index, object, magazines);
                }
                Ok(())
            }
            Found::NoSlab => {
                drop(magazines);
                self.free_page(cpu, pointer)
            }
            Found::Wrong => {
                drop(magazines);
                self.refuse(pointer)
            }
        }
    }

    /// Frees an object without using a magazine.
    #[inline(never)]
    fn free_uncached(&self, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let pools = self.pools.lock();
        let found = self.take_back(pointer);
        drop(pools);
        match found {
            Found::Object(index, object) if redzone::ENABLED => {
                self.free_armed(usize::MAX, index, object)
            }
            Found::Object(index, object) => {
                self.give_one(index, object);
                Ok(())
            }
            Found::NoSlab => self.free_page(usize::MAX, pointer),
            Found::Wrong => self.refuse(pointer),
        }
    }

    /// Finds the object at `pointer` and clears its live bit. The caller holds the lock of a CPU's magazines or that of
    /// the pools, which `retire` acquires before it frees descriptors.
    #[inline(always)]
    fn take_back(&self, pointer: NonNull<u8>) -> Found {
        let address = pointer.addr().get();
        let (mark, word) = self.pages.look_up(pointer.as_ptr());
        let Some(shape) = self.shapes.get(mark) else {
            return Found::NoSlab;
        };
        if !shape.is_multiple(address % FRAME_SIZE) {
            return Found::Wrong;
        }
        // SAFETY: the mark is that of a slab, so the word is the id of its first descriptor. Even if the slab's
        // last object is freed now, the descriptors stay until the lock is released.
        let descriptor =
            unsafe { descriptor_at(&self.pages, word, shape.descriptor_offset(address)) };
        if !descriptor.clear_live(address) {
            return Found::Wrong;
        }
        // SAFETY: it was live until now, so it is neither free in the slab nor in a magazine.
        Found::Object(mark, unsafe { Object::new(pointer, descriptor) })
    }

    /// Checks the red zones of an object, and frees it.
    fn free_armed(&self, cpu: usize, index: usize, object: Object) -> Result<(), WrongFree> {
        if let Some(class) = TABLE.get(index) {
            // SAFETY: an object of this class, which was live until now.
            let slot = unsafe { Slot::new(object.address(), class) };
            if let Err(reason) = slot.disarm() {
                let address = object.into_live().addr().get();
                return Err(WrongFree { address, reason });
            }
        }
        let Some(cache) = self.caches.get(cpu) else {
            self.give_one(index, object);
            return Ok(());
        };
        let mut magazines = cache.lock();
        if !magazines.push(index, object) {
            self.spill(cpu, index, object, magazines);
        }
        Ok(())
    }

    /// Page and offset of a pointer.
    #[inline]
    fn find(&self, pointer: NonNull<u8>) -> (Pfn, usize) {
        (
            self.pages.page_of(pointer.as_ptr()),
            pointer.addr().get() % FRAME_SIZE,
        )
    }

    #[inline(never)]
    fn free_page(&self, cpu: usize, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let (page, offset) = self.find(pointer);
        // Of two concurrent calls, one changes the mark.
        if offset != 0 || !self.pages.remark(page, OBJECT, RETIRED) {
            return self.refuse(pointer);
        }
        if redzone::ENABLED {
            let bytes = self.pages.word(page).unwrap_or(0) as usize;
            // SAFETY: the page was a live object until now.
            if let Err(reason) = unsafe { redzone::disarm_page(pointer, bytes) } {
                self.pages.remark(page, RETIRED, OBJECT);
                let address = pointer.addr().get();
                return Err(WrongFree { address, reason });
            }
        }
        self.pages.free(cpu, page, RETIRED);
        self.page_objects.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Usable bytes of the object at `pointer`; `None` if no object starts there. With the feature `debug`, the
    /// requested size.
    ///
    /// # Safety
    /// If an object starts at `pointer`, the caller owns it.
    pub unsafe fn usable_size(&self, pointer: NonNull<u8>) -> Option<usize> {
        let (page, offset) = self.find(pointer);
        let mark = self.pages.marked(page)?;
        if mark == OBJECT {
            let size = match redzone::ENABLED {
                true => self.pages.word(page)? as usize,
                false => FRAME_SIZE,
            };
            return (offset == 0).then_some(size);
        }
        let class = TABLE.get(usize::from(mark))?;
        if !class.starts_object(offset) {
            return None;
        }
        if redzone::ENABLED {
            // SAFETY: the caller has the object.
            return Some(unsafe { Slot::new(pointer, class) }.room());
        }
        Some(class.size)
    }

    /// The error for a wrong free of `pointer`.
    #[cold]
    #[inline(never)]
    fn refuse(&self, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let (page, offset) = self.find(pointer);
        let inside = |size: usize| Reason::Inside {
            offset: (offset % size) as u16,
            size: size as u16,
        };
        let reason = match self.pages.marked(page) {
            None => Reason::Foreign,
            Some(DESCRIPTORS) => Reason::Descriptors,
            Some(OBJECT) => inside(FRAME_SIZE),
            Some(mark) => match TABLE.get(usize::from(mark)) {
                None => Reason::Foreign,
                Some(class) => {
                    let size = class.size as u16;
                    match offset % class.size {
                        _ if !class.has_object(offset) => Reason::Gap { size },
                        0 => Reason::Free { size },
                        _ => inside(class.size),
                    }
                }
            },
        };
        Err(WrongFree {
            address: pointer.addr().get(),
            reason,
        })
    }
}
