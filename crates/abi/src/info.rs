//! Memory statistics.

use crate::Use;
use bitflags::bitflags;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Memory statistics, in pages unless noted. New fields are appended with a new
/// [`MemInfo::VERSION`]; `meminfo` copies as much as the caller has room for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct MemInfo {
    /// [`MemInfo::VERSION`] of the kernel.
    pub version: u64,
    /// RAM that the page allocator manages, free or in use.
    pub total: u64,
    /// Free: in the buddy allocator and in per-CPU caches.
    pub free: u64,
    /// Reclaimable: clean file pages, cached kernel stacks.
    pub cached: u64,
    /// Pages of kmalloc, including cached ones.
    pub slab: u64,
    /// RAM outside the page allocator: firmware, kernel image, page records.
    pub reserved: u64,
    /// Free blocks of order 0, 1, …, 10.
    pub blocks: [u64; 11],
    /// Processes, including zombies.
    pub processes: u64,
    /// Open files, including pipe ends.
    pub files: u64,
    /// Pipes.
    pub pipes: u64,
    /// Inodes in memory, including cached ones.
    pub inodes: u64,
    /// Allocated kmalloc objects.
    pub objects: u64,
    /// Free disk blocks.
    pub disk_free: u64,
    /// Free on-disk inodes.
    pub disk_inodes: u64,
    // Since version 2:
    /// Free pages in per-CPU caches, not counted in `blocks`.
    pub cpu_cached: u64,
    /// The low-water mark of free pages in the buddy allocator.
    pub least_free: u64,
    /// kmalloc objects of a whole page.
    pub whole: u64,
    /// Pages of kmalloc's records.
    pub records: u64,
    /// kmalloc's size classes, smallest first; unused entries are zero.
    pub classes: [SlabInfo; SLAB_CLASSES],
    // Since version 3. Of `reserved`:
    /// The kernel image.
    pub image: u64,
    /// The page allocator's records.
    pub frame_records: u64,
    // Of `total`, besides `slab`:
    /// The kernel's own page tables.
    pub kernel_tables: u64,
    /// The page tables of processes.
    pub page_tables: u64,
    /// Kernel stacks, including cached ones.
    pub stacks: u64,
    /// Kernel allocations too large for kmalloc, device memory, pipes, tables of objects.
    pub kernel_blocks: u64,
    /// The page cache, including mapped pages.
    pub file_pages: u64,
    /// Memory of processes, private and shared, that is not the page cache's.
    pub anonymous: u64,
    /// The count of each [`Event`](crate::Event), by number, summed over all harts.
    pub events: [u64; EVENT_SLOTS],
    /// Page allocations that had to shrink caches.
    pub stalls: u64,
    /// Page allocations that failed.
    pub failed: u64,
    /// Of `free`, pages in superpage reservations.
    pub reservations: u64,
    /// Large pages (2 MiB) in use.
    pub large_pages: u64,
    // Since version 4:
    /// Of `slab`, empty pages in kmalloc's reserve.
    pub slab_reserve: u64,
    /// Committed pages: what processes may come to use, touched or not, and kernel pages that
    /// cannot be reclaimed.
    pub committed: u64,
    /// The limit on `committed`; 0 for none.
    pub commit_limit: u64,
    // Since version 5:
    /// Online harts.
    pub harts: u64,
    /// How much `instret` advanced while harts waited for an interrupt or a disk flush: in QEMU it
    /// follows the clock.
    pub waited: u64,
    // Since version 6:
    /// All pages of RAM, counted at one go by what they are used for ([`Use`]), by number. The sum is `total` and
    /// `reserved` together; `free` and all uses above are from the same count.
    pub uses: [u64; Use::SLOTS],
}

/// Slots for events.
pub const EVENT_SLOTS: usize = 32;

/// Slots for kmalloc's size classes.
pub const SLAB_CLASSES: usize = 24;

/// One size class of kmalloc.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct SlabInfo {
    /// Object size in bytes.
    pub size: u32,
    /// Pages.
    pub slabs: u32,
    /// Allocated objects.
    pub live: u32,
    /// Free objects in per-CPU magazines.
    pub cached: u32,
    /// Free objects in slabs.
    pub free: u32,
}

impl MemInfo {
    /// The version of this layout.
    pub const VERSION: u64 = 6;
}

bitflags! {
    /// Flags of `meminfo`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct MemInfoFlags: u32 {
        /// First shrink all caches, so that two counts can be compared.
        const DROP_CACHES = 1;
        /// Also count free disk blocks and inodes, which reads the bitmap; else both are 0.
        const DISK = 2;
    }
}
