//! A common interface of page frame allocators.

use crate::memory::{Locked, PAGE, region};
use bitmap_allocator::{BitAlloc, BitAlloc64K};
use buddy_slab_allocator::AllocResult;
use frames::{Frames, Layout, OutOfMemory, Pfn, WrongFree};
use lock_api::RawMutex;
use std::mem::size_of;

/// Managed frames: 128 MiB.
pub const FRAMES: usize = 32_768;
/// The CPU that benchmarks run on.
pub const CPU: usize = 0;
/// A CPU without a cache.
pub const NO_CACHE: usize = usize::MAX;

const BASE: u32 = 0x80000;

/// An allocator of blocks of `1 << order` frames.
pub trait FrameAlloc {
    /// The allocator's own result.
    type Block;
    /// Allocates a block.
    fn alloc(&self, cpu: usize, order: usize) -> Self::Block;
    /// The block's first frame.
    fn first(block: Self::Block) -> Option<usize>;
    /// The allocator's own result of freeing.
    type Freed;
    /// Frees a block.
    fn free(&self, cpu: usize, frame: usize, order: usize) -> Self::Freed;
    /// Whether freeing succeeded.
    fn is_freed(_: Self::Freed) -> bool {
        true
    }
    /// Current bytes of metadata; `None` if unknown.
    fn metadata(&self) -> Option<usize>;
    /// Drains per-CPU caches.
    fn drain(&self) {}
}

/// Pagoda's.
pub struct Pagoda<R: RawMutex> {
    frames: Frames<R>,
    metadata: usize,
}

impl<R: RawMutex> Pagoda<R> {
    /// All frames free.
    pub fn new() -> Pagoda<R> {
        let layout = Layout {
            usable: &[Pfn::new(BASE)..Pfn::new(BASE + FRAMES as u32)],
            reserved: &[],
        };
        let bytes = layout.metadata_bytes();
        let frames = Frames::new(&layout, vec![0; bytes / 8].leak(), 1);
        Pagoda {
            frames: frames.expect("metadata of the size asked for"),
            // Without reference counts, which the others lack.
            metadata: bytes - size_of::<u32>() * FRAMES,
        }
    }
}

impl<R: RawMutex> FrameAlloc for Pagoda<R> {
    type Block = Result<Pfn, OutOfMemory>;
    type Freed = Result<(), WrongFree>;

    #[inline]
    fn alloc(&self, cpu: usize, order: usize) -> Self::Block {
        self.frames.alloc(cpu, order)
    }

    fn first(block: Self::Block) -> Option<usize> {
        Some(block.ok()?.get() as usize)
    }

    #[inline]
    fn free(&self, cpu: usize, frame: usize, order: usize) -> Self::Freed {
        self.frames.free(cpu, Pfn::new(frame as u32), order)
    }

    fn is_freed(freed: Self::Freed) -> bool {
        freed.is_ok()
    }

    fn metadata(&self) -> Option<usize> {
        Some(self.metadata)
    }

    fn drain(&self) {
        self.frames.drain_caches();
    }
}

/// `buddy_system_allocator::FrameAllocator`: a `BTreeSet` for each order.
pub struct BuddySystem(Locked<buddy_system_allocator::FrameAllocator<11>>, usize);

impl BuddySystem {
    /// All frames free.
    pub fn new() -> BuddySystem {
        let before = heap_in_use();
        let mut allocator = buddy_system_allocator::FrameAllocator::new();
        allocator.add_frame(BASE as usize, BASE as usize + FRAMES);
        BuddySystem(Locked::new(allocator), before)
    }
}

/// Bytes in use of the C library's heap.
fn heap_in_use() -> usize {
    // SAFETY: it only reads the heap's counters.
    unsafe { libc::mallinfo2() }.uordblks
}

impl FrameAlloc for BuddySystem {
    type Block = Option<usize>;
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, order: usize) -> Self::Block {
        self.0.lock().alloc(1 << order)
    }

    fn first(block: Self::Block) -> Option<usize> {
        block
    }

    #[inline]
    fn free(&self, _: usize, frame: usize, order: usize) {
        self.0.lock().dealloc(frame, 1 << order);
    }

    fn metadata(&self) -> Option<usize> {
        Some(heap_in_use() - self.1)
    }
}

/// The buddy part of `buddy-slab-allocator`. Its metadata is in the managed memory, which is
/// therefore larger.
pub struct BuddySlab(Locked<buddy_slab_allocator::BuddyAllocator>, usize);

struct Platform;

#[ax_crate_interface::impl_interface]
impl buddy_slab_allocator::interface::BuddySlabIf for Platform {
    fn virt_to_phys(vaddr: usize) -> usize {
        vaddr
    }

    fn slab_pool() -> &'static dyn buddy_slab_allocator::SlabPoolTrait {
        unreachable!("only its global allocator asks for that")
    }
}

/// That crate's buddy allocator over `bytes` of memory.
pub fn buddy_slab(bytes: usize) -> buddy_slab_allocator::BuddyAllocator {
    let mut buddy = buddy_slab_allocator::BuddyAllocator::new();
    // SAFETY: the memory has this length, is not used otherwise and is never freed.
    let added = unsafe {
        let memory = std::slice::from_raw_parts_mut(region(bytes).as_ptr(), bytes);
        buddy.init(memory)
    };
    assert!(added.is_ok(), "the region suits the allocator");
    buddy
}

impl BuddySlab {
    /// All frames free.
    pub fn new() -> BuddySlab {
        // Plus room for its metadata, 12 bytes per frame.
        let bytes = FRAMES * PAGE + (1 << 20);
        let buddy = buddy_slab(bytes);
        let frames = buddy.total_pages();
        BuddySlab(
            Locked::new(buddy),
            (bytes - frames * PAGE) * FRAMES / frames,
        )
    }
}

impl FrameAlloc for BuddySlab {
    type Block = AllocResult<usize>;
    type Freed = ();

    #[inline]
    fn alloc(&self, _: usize, order: usize) -> Self::Block {
        self.0.lock().alloc_pages(1 << order, PAGE)
    }

    fn first(block: Self::Block) -> Option<usize> {
        Some(block.ok()? / PAGE)
    }

    #[inline]
    fn free(&self, _: usize, frame: usize, order: usize) {
        self.0.lock().dealloc_pages(frame * PAGE, 1 << order);
    }

    fn metadata(&self) -> Option<usize> {
        Some(self.1)
    }
}

/// `bitmap-allocator`, in the smallest size that fits.
pub struct Bitmap(Locked<Box<BitAlloc64K>>);

impl Bitmap {
    /// All frames free.
    pub fn new() -> Bitmap {
        let mut bits = Box::new(BitAlloc64K::DEFAULT);
        bits.insert(0..FRAMES);
        Bitmap(Locked::new(bits))
    }
}

impl FrameAlloc for Bitmap {
    type Block = Option<usize>;
    type Freed = bool;

    #[inline]
    fn alloc(&self, _: usize, order: usize) -> Self::Block {
        let mut bits = self.0.lock();
        match order {
            0 => bits.alloc(),
            _ => bits.alloc_contiguous(None, 1 << order, order),
        }
    }

    fn first(block: Self::Block) -> Option<usize> {
        block
    }

    #[inline]
    fn free(&self, _: usize, frame: usize, order: usize) -> bool {
        let mut bits = self.0.lock();
        match order {
            0 => bits.dealloc(frame),
            _ => bits.dealloc_contiguous(frame, 1 << order),
        }
    }

    fn is_freed(freed: bool) -> bool {
        freed
    }

    fn metadata(&self) -> Option<usize> {
        // Half of its bits are unused.
        Some(size_of::<BitAlloc64K>() * FRAMES / BitAlloc64K::CAP)
    }
}
