//! What the kernel tells about its memory.

use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The state of memory; all sizes in pages unless said. New fields come at the end, with a new
/// [`MemInfo::VERSION`]; `meminfo` copies as much as the caller has room for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MemInfo {
    /// [`MemInfo::VERSION`] of the kernel.
    pub version: u64,
    /// RAM that the allocator manages, with what is in use.
    pub total: u64,
    /// Free at once: in the buddy allocator and in the CPUs' caches.
    pub free: u64,
    /// In caches that give back when asked: clean file pages, kernel stacks kept for reuse.
    pub cached: u64,
    /// Pages of kmalloc's, those it keeps for the next objects among them.
    pub slab: u64,
    /// RAM that the allocator never got: firmware, kernel image, page records.
    pub reserved: u64,
    /// Free blocks of order 0, 1, …, 10.
    pub blocks: [u64; 11],
    /// Processes, zombies among them.
    pub processes: u64,
    /// Open files, pipe ends among them.
    pub files: u64,
    /// Pipes.
    pub pipes: u64,
    /// Inodes in memory, cached ones among them.
    pub inodes: u64,
    /// Objects that kmalloc has given out.
    pub objects: u64,
    /// Disk blocks not in use.
    pub disk_free: u64,
    /// Inodes on the disk not in use.
    pub disk_inodes: u64,
    // Since version 2:
    /// Free pages in the CPUs' caches; in none of `blocks`.
    pub cpu_cached: u64,
    /// The fewest pages that were ever free in the buddy allocator.
    pub least_free: u64,
    /// kmalloc objects that are a page each.
    pub whole: u64,
    /// Pages of kmalloc's records.
    pub records: u64,
    /// kmalloc's size classes, smallest first; unused ones behind them are zero.
    pub classes: [SlabInfo; SLAB_CLASSES],
    // Since version 3. Of `reserved`:
    /// The kernel image.
    pub image: u64,
    /// The page allocator's records.
    pub frame_records: u64,
    // Of `total`, beside `slab`:
    /// The kernel's own page tables.
    pub kernel_tables: u64,
    /// The page tables of processes.
    pub page_tables: u64,
    /// Kernel stacks, those kept for reuse among them.
    pub stacks: u64,
    /// Blocks of the kernel that are larger than kmalloc gives, and those of devices.
    pub kernel_blocks: u64,
    /// Cached pages of files, mapped ones among them.
    pub file_pages: u64,
    /// What is in use for nothing named before: the pages of programs (anonymous memory, copies of
    /// file pages, tables of shared memory), pipes.
    pub anonymous: u64,
    /// How often each [`Event`](crate::Event) has happened, by its number, on all harts together.
    pub events: [u64; EVENT_SLOTS],
    /// Allocations of pages that found no free block at first, so that caches were asked to give back.
    pub pressed: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Of `free`, pages set aside for memory that may become large pages.
    pub aside: u64,
    /// Blocks of 2 MiB that are in use as a whole: large pages, each counted once.
    pub large_pages: u64,
    // Since version 4:
    /// Of `slab`, pages that kmalloc keeps and has no use for at the moment.
    pub kept: u64,
    /// Pages that processes were promised, touched or not, and those of the kernel that no cache
    /// gives back.
    pub committed: u64,
    /// The most that `committed` may be; 0 where nothing limits it.
    pub commit_limit: u64,
    // Since version 5:
    /// Harts that run.
    pub harts: u64,
    /// By how much the counter `instret` went on while harts waited for an interrupt or for the disk to
    /// be flushed: QEMU lets it go on with the clock.
    pub waited: u64,
}

/// Room for events.
pub const EVENT_SLOTS: usize = 32;

/// Room for size classes of kmalloc.
pub const SLAB_CLASSES: usize = 24;

/// One size class of kmalloc.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SlabInfo {
    /// Bytes of an object.
    pub size: u32,
    /// Pages.
    pub slabs: u32,
    /// Objects in use.
    pub live: u32,
    /// Free objects in the CPUs' magazines.
    pub cached: u32,
    /// Free objects in slabs.
    pub free: u32,
}

impl MemInfo {
    /// The layout described here.
    pub const VERSION: u64 = 5;
}

bitflags! {
    /// What `meminfo` does before it counts.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MemInfoFlags: u32 {
        /// Ask every cache to give back all it can, so that two counts can be compared.
        const DROP_CACHES = 1;
        /// Count free blocks and inodes of the disk too (reads its bitmap); else both are 0.
        const DISK = 2;
    }
}
