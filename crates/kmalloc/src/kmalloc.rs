//! The allocator: magazines of each CPU in front of the slabs of each class.

use crate::class::{CLASSES, Shape, TABLE, class_of, shapes};
use crate::depot::{Depot, Object};
use crate::error::{Place, WrongFree};
use crate::guard;
use crate::magazine::Magazines;
use crate::pages::Pages;
use crate::pool::{GROUP_ORDERS, Pool};
use crate::unit::{UnitId, unit_behind};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use frames::{FRAME_SIZE, Pfn};
use lock_api::{Mutex, RawMutex};

/// Mark of a page that is one object; the pages of slabs are marked with the number of the class.
const WHOLE: u8 = 126;
/// Mark of a page of units.
pub(crate) const UNITS: u8 = 127;

/// An allocator of objects of 1 to 4096 bytes.
///
/// `R` is the lock of each CPU's magazines, of each class and of the pool of records; none is held
/// while another is taken or while `P` is called. The `cpu` that calls take is a hint: any number
/// is safe, the number of the CPU that the caller runs on is fast, and `CPUS` and above use no
/// magazine.
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
/// # let pages = unsafe { kmalloc::DirectMap::new(frames, Pfn::new(0x80000), ram) };
/// use kmalloc::{Kmalloc, Place};
///
/// // For two CPUs, of which this is the second.
/// let (kmalloc, cpu) = (Kmalloc::<Spin, _, 2>::new(pages), 1);
/// let page = kmalloc.alloc(cpu, 4096).expect("there is memory");
/// let small = kmalloc.alloc(cpu, 64).expect("there is memory");
/// assert_eq!(small.addr().get() % 64, 0);
/// let stats = kmalloc.stats();
/// assert_eq!((stats.live(), stats.whole, stats.pages()), (2, 1, 3));
///
/// // SAFETY: nobody uses what is freed, if anything is.
/// let error = unsafe { kmalloc.free(cpu, page.add(16)) }.unwrap_err();
/// assert_eq!(error.place, Place::Inside { offset: 16, size: 4096 });
/// for object in [page, small] {
///     unsafe { kmalloc.free(cpu, object) }?;
/// }
/// assert_eq!(kmalloc.drain(), 2); // the slab of the small one, and its record
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Kmalloc<R: RawMutex, P: Pages, const CPUS: usize = 8> {
    /// A copy that is found from where the rest is.
    shapes: [Shape; CLASSES],
    pub(crate) pages: P,
    pub(crate) caches: [Mutex<R, Magazines>; CPUS],
    pub(crate) depots: [Mutex<R, Depot>; CLASSES],
    pub(crate) pools: Mutex<R, [Pool; GROUP_ORDERS]>,
    pub(crate) whole: AtomicUsize,
}

impl<R: RawMutex, P: Pages, const CPUS: usize> Kmalloc<R, P, CPUS> {
    /// An allocator that holds no pages yet.
    pub const fn new(pages: P) -> Self {
        Kmalloc {
            shapes: shapes(),
            pages,
            caches: [const { Mutex::new(Magazines::EMPTY) }; CPUS],
            depots: [const { Mutex::new(Depot::EMPTY) }; CLASSES],
            pools: Mutex::new([Pool::EMPTY; GROUP_ORDERS]),
            whole: AtomicUsize::new(0),
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
        if guard::ENABLED {
            return self.alloc_guarded(cpu, size);
        }
        match class_of(size) {
            Some(index) => self.alloc_object(cpu, index),
            None => self.alloc_whole(cpu, size),
        }
    }

    fn alloc_guarded(&self, cpu: usize, size: usize) -> Option<NonNull<u8>> {
        let Some(index) = guard::class_of(size) else {
            let start = self.alloc_whole(cpu, size)?;
            guard::arm_page(start, size);
            return Some(start);
        };
        let start = self.alloc_object(cpu, index)?;
        let class = TABLE.get(index)?;
        class.slot(start).arm(size);
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
            Some(object) => Some(hand_out(object)),
            None => self.refill(cpu, index),
        }
    }

    /// A page that is one object.
    #[inline(never)]
    fn alloc_whole(&self, cpu: usize, size: usize) -> Option<NonNull<u8>> {
        if size == 0 || size > FRAME_SIZE {
            return None;
        }
        let take = || self.pages.alloc(cpu, WHOLE, size as u32);
        let page = take().or_else(|| if self.drain() > 0 { take() } else { None })?;
        self.whole.fetch_add(1, Ordering::Relaxed);
        NonNull::new(self.pages.address(page))
    }

    /// Gives back an object. Of two at the same time, one fails, unless the object's page goes back
    /// in between.
    ///
    /// # Errors
    /// When `pointer` is not the start of an object in use.
    ///
    /// # Safety
    /// Whoever got the object uses it no more.
    #[inline]
    pub unsafe fn free(&self, cpu: usize, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let address = pointer.addr().get();
        let (mark, word) = self.pages.look_up(pointer.as_ptr());
        let Some(shape) = self.shapes.get(mark) else {
            return self.free_whole(cpu, pointer);
        };
        if !shape.is_multiple(address % FRAME_SIZE) {
            return self.refuse(pointer);
        }
        let unit = unit_behind(&self.pages, UnitId(word), shape.unit(address));
        let object = Object {
            address: pointer,
            unit: NonNull::from(unit),
        };
        if !object.clear_live() {
            return self.refuse(pointer);
        }
        if guard::ENABLED
            && let Some(class) = TABLE.get(mark)
            && let Err(place) = class.slot(pointer).disarm()
        {
            object.set_live();
            return Err(WrongFree { address, place });
        }
        let Some(cache) = self.caches.get(cpu) else {
            return self.spill(cpu, mark, object);
        };
        let pushed = cache.lock().push(mark, object);
        if pushed {
            return Ok(());
        }
        self.spill(cpu, mark, object)
    }

    /// The page that a pointer points into, and where there.
    #[inline]
    fn find(&self, pointer: NonNull<u8>) -> (Pfn, usize) {
        (
            self.pages.frame(pointer.as_ptr()),
            pointer.addr().get() % FRAME_SIZE,
        )
    }

    #[inline(never)]
    fn free_whole(&self, cpu: usize, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let (page, offset) = self.find(pointer);
        // Of two at the same time both may get past this; one of them is refused below.
        if guard::ENABLED
            && offset == 0
            && self.pages.marked(page) == Some(WHOLE)
            && let Some(bytes) = self.pages.word(page)
            && let Err(place) = guard::disarm_page(pointer, bytes as usize)
        {
            let address = pointer.addr().get();
            return Err(WrongFree { address, place });
        }
        if offset != 0 || !self.pages.free(cpu, page, WHOLE) {
            return self.refuse(pointer);
        }
        self.whole.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes that the object at `pointer`, in use or free, has room for; none if there is none.
    /// With the feature `debug`, an object in use has room for what was asked.
    pub fn usable_size(&self, pointer: NonNull<u8>) -> Option<usize> {
        let (page, offset) = self.find(pointer);
        let mark = self.pages.marked(page)?;
        if mark == WHOLE {
            let size = match guard::ENABLED {
                true => self.pages.word(page)? as usize,
                false => FRAME_SIZE,
            };
            return (offset == 0).then_some(size);
        }
        let class = TABLE.get(usize::from(mark))?;
        if !class.starts_object(offset) {
            return None;
        }
        match guard::ENABLED {
            true => Some(class.slot(pointer).room()),
            false => Some(class.size),
        }
    }

    /// Says what is wrong with freeing `pointer`.
    #[cold]
    #[inline(never)]
    fn refuse(&self, pointer: NonNull<u8>) -> Result<(), WrongFree> {
        let (page, offset) = self.find(pointer);
        let inside = |size: usize| Place::Inside {
            offset: (offset % size) as u16,
            size: size as u16,
        };
        let place = match self.pages.marked(page) {
            None => Place::Foreign,
            Some(UNITS) => Place::Records,
            Some(WHOLE) => inside(FRAME_SIZE),
            Some(mark) => match TABLE.get(usize::from(mark)) {
                None => Place::Foreign,
                Some(class) => {
                    let size = class.size as u16;
                    match offset % class.size {
                        _ if !class.has_object(offset) => Place::Gap { size },
                        0 => Place::Free { size },
                        _ => inside(class.size),
                    }
                }
            },
        };
        Err(WrongFree {
            address: pointer.addr().get(),
            place,
        })
    }
}

/// An object that was free, for the caller of `alloc`.
#[inline(always)]
pub(crate) fn hand_out(object: Object) -> NonNull<u8> {
    let fresh = object.set_live();
    debug_assert!(fresh, "an object in use was in a magazine");
    object.address
}
