//! The allocator: each CPU's magazines in front of each class's slabs. What happens when a magazine is
//! empty or full is in `slow_path`.

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

/// Mark of a page that goes back; the mark of a slab's page is the number of its class.
pub(crate) const RETIRED: u8 = 125;
/// Mark of a page that is one object.
const OBJECT: u8 = 126;
/// Mark of a page of descriptors.
pub(crate) const DESCRIPTORS: u8 = 127;

/// An allocator of objects of 1 to 4096 bytes.
///
/// `R` is the lock of each CPU's magazines, of each slab cache and of the pool of descriptors; none is
/// held while another is taken or while pages are asked for or given back. The `cpu` that calls take is a
/// hint: any number is safe, the number of the CPU that the caller runs on is fast, and `CPUS` and above
/// use no magazine.
///
/// Objects come with the contents they were left with; with the feature `debug` they come full of
/// a byte that is unlikely to be taken for anything else.
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
    /// Copies of what `TABLE` has, which are found from where the rest is.
    shapes: [Shape; CLASSES],
    pub(crate) pages: P,
    pub(crate) caches: [Mutex<R, Magazines>; CPUS],
    pub(crate) slabs: [Mutex<R, SlabCache>; CLASSES],
    pub(crate) pools: Mutex<R, [Pool; RUN_ORDERS]>,
    /// Objects that are a page.
    pub(crate) page_objects: AtomicUsize,
}

/// What is behind a pointer that is to be freed.
enum Found {
    /// An object of the class with this number. It was in use, and is the caller's now.
    Object(usize, Object),
    /// Not one of a slab's: perhaps a page.
    NoSlab,
    /// No object in use.
    Wrong,
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// An allocator that holds no pages yet.
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

    /// An object of at least `size` bytes, aligned to 16 and, for a power of two, to `size`.
    /// See [`size_for`](crate::size_for) for other alignments. None for 0 bytes, for more than
    /// 4096, and when there is no memory.
    ///
    /// # Panics
    /// With the feature `debug`, when a free object was written to, naming it.
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
            // SAFETY: it is a page, and nobody has it yet but this call.
            unsafe { redzone::arm_page(start, size) };
            return Some(start);
        };
        let start = self.alloc_object(cpu, index)?;
        // SAFETY: it is an object of this class, and nobody has it yet but this call.
        unsafe { Slot::new(start, TABLE.get(index)?) }.arm(size);
        Some(start)
    }

    /// An object of this class.
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

    /// A page that is one object.
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

    /// Gives back an object. Of two calls for one object at the same time, one fails.
    ///
    /// # Errors
    /// When `pointer` is not the start of an object in use.
    ///
    /// # Safety
    /// Whoever got the object uses it no more.
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

    /// Gives back an object for a CPU without magazines.
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

    /// Finds the object at `pointer` and marks it as no longer in use. The lock of a CPU's magazines or
    /// that of the pools is held: `retire` waits for these before it gives back descriptors.
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
        // SAFETY: the page is marked as a slab's, so the word is the id of its first descriptor. Even if
        // its last object is freed now, its descriptors stay until the lock is released.
        let descriptor =
            unsafe { descriptor_at(&self.pages, word, shape.descriptor_offset(address)) };
        if !descriptor.clear_live(address) {
            return Found::Wrong;
        }
        // SAFETY: it was live until now, so it is in no slab and no magazine.
        Found::Object(mark, unsafe { Object::new(pointer, descriptor) })
    }

    /// Gives back an object that has red zones.
    fn free_armed(&self, cpu: usize, index: usize, object: Object) -> Result<(), WrongFree> {
        if let Some(class) = TABLE.get(index) {
            // SAFETY: it is an object of this class, which was in use and is this call's now.
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

    /// The page that a pointer points into, and where there.
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
        // Of two calls at the same time, one changes the mark.
        if offset != 0 || !self.pages.remark(page, OBJECT, RETIRED) {
            return self.refuse(pointer);
        }
        if redzone::ENABLED {
            let bytes = self.pages.word(page).unwrap_or(0) as usize;
            // SAFETY: the page was an object in use, and is this call's now.
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

    /// Bytes that the object at `pointer` has room for; none if there is none. With the feature `debug`,
    /// those that were asked for.
    ///
    /// # Safety
    /// If an object starts at `pointer`, it is the caller's.
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

    /// Says what is wrong with freeing `pointer`.
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
