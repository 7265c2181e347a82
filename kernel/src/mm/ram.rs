//! The page allocator over this machine's RAM.

use crate::arch::{hart, layout};
use crate::platform::{Platform, Range};
use crate::sync::{Once, RawSpin, rank};
use abi::Use;
use core::mem::ManuallyDrop;
use core::ptr;
use fallible::AllocError;
use frames::{FRAME_SIZE, Frames, Layout, Pfn, WrongFree};
use paging::{Table, Tables};

/// The frame allocator with this kernel's locks.
pub type KernelFrames = Frames<RawSpin<{ rank::FRAMES }>>;

static FRAMES: Once<KernelFrames> = Once::new();
static RAM_PAGES: Once<u64> = Once::new();
static RECORD_PAGES: Once<u64> = Once::new();

const MAX_RANGES: usize = 32;

/// The allocator.
pub fn frames() -> &'static KernelFrames {
    FRAMES.get()
}

/// The hart's index, a hint which per-CPU cache to use; after a migration another cache works as well.
#[inline]
pub fn cpu() -> usize {
    hart::this().index()
}

/// All pages of RAM, including those of the firmware and the kernel image.
pub fn total_pages() -> u64 {
    RAM_PAGES.try_get().copied().unwrap_or(0)
}

/// Pages of the allocator's records.
fn record_pages() -> u64 {
    RECORD_PAGES.try_get().copied().unwrap_or(0)
}

/// The address of a frame in the direct map.
#[inline]
pub fn address_of(pfn: Pfn) -> usize {
    layout::phys_to_virt(pfn.addr())
}

/// The same as a pointer.
#[inline(always)]
pub fn pointer_to<T>(pfn: Pfn) -> *mut T {
    ptr::with_exposed_provenance_mut(address_of(pfn))
}

/// The frame of an address in the direct map.
#[inline]
pub fn frame_of(address: usize) -> Pfn {
    Pfn::from_addr(layout::virt_to_phys(address))
}

/// Access to page tables through the direct map.
#[derive(Clone, Copy)]
pub struct DirectMap;

impl Tables for DirectMap {
    #[inline]
    fn table(&self, pfn: Pfn) -> &Table {
        // SAFETY: the direct map has every frame; entries are atomics, so sharing them is fine.
        unsafe { &*(pointer_to::<Table>(pfn)) }
    }
}

/// Fills a frame with zeros.
///
/// # Safety
/// The frame is RAM that the caller alone uses.
pub unsafe fn zero(pfn: Pfn) {
    // The compiler's `memset` knows neither size nor alignment, and takes twice as long.
    let lines: *mut [u64; 8] = pointer_to(pfn);
    for line in 0..FRAME_SIZE / 64 {
        for word in 0..8 {
            // SAFETY: the direct map has the whole frame, and the caller is the only one to use it.
            unsafe { (&raw mut (*lines.add(line))[word]).write_volatile(0) };
        }
    }
}

/// Allocates a block of `1 << order` frames for a use. Interrupts are off meanwhile: while shrinkers run,
/// another allocation on this hart would not reclaim.
#[inline]
pub fn alloc(order: usize, what: Use) -> Option<Pfn> {
    let _irq = hart::irq_save();
    frames().alloc_labelled(cpu(), order, what as u8).ok()
}

/// Pages of RAM by use, in one walk over the records.
pub fn uses() -> [u64; Use::SLOTS] {
    let counted = frames().uses();
    let mut uses = counted.labels.map(|frames| frames as u64);
    let mut add = |what: Use, pages: u64| uses[what as usize] += pages;
    add(Use::Slab, counted.marked as u64);
    let cached = frames().cached_count().min(counted.free);
    add(Use::Cached, cached as u64);
    add(Use::Free, (counted.free - cached) as u64);
    let image = layout::image();
    let image = (image.end - image.text).div_ceil(FRAME_SIZE) as u64;
    add(Use::Image, image);
    add(Use::Records, record_pages());
    let managed = frames().total() as u64 + image + record_pages();
    add(Use::Firmware, total_pages() - managed);
    uses
}

/// Frees a block.
///
/// # Safety
/// Nobody uses the block any more.
///
/// # Panics
/// If it is not an allocated block of this order.
#[inline]
pub unsafe fn free(pfn: Pfn, order: usize) {
    if let Err(error) = frames().free(cpu(), pfn, order) {
        refuse(error);
    }
}

/// Adds a reference to a page.
///
/// # Panics
/// If the page is not in use.
#[inline]
pub fn retain(pfn: Pfn) {
    if let Err(error) = frames().retain(pfn) {
        refuse(error);
    }
}

/// Drops a reference; the last one frees the page.
///
/// # Safety
/// The reference is the caller's, who does not use it any more.
///
/// # Panics
/// If the page is not in use.
#[inline]
pub unsafe fn release(pfn: Pfn) {
    if let Err(error) = frames().release(cpu(), pfn) {
        refuse(error);
    }
}

// Out of line, to keep the callers short.
#[cold]
#[inline(never)]
fn refuse(error: WrongFree) -> ! {
    panic!("{error}")
}

/// A counted reference to a page of RAM, like `Arc`; the last one frees the page.
pub struct Frame(Pfn);

impl Frame {
    /// A page with undefined contents.
    pub fn try_new(what: Use) -> Result<Frame, AllocError> {
        alloc(0, what).map(Frame).ok_or(AllocError)
    }

    /// A zeroed page.
    pub fn try_new_zeroed(what: Use) -> Result<Frame, AllocError> {
        let frame = Frame::try_new(what)?;
        // SAFETY: it was allocated just now.
        unsafe { zero(frame.0) };
        Ok(frame)
    }

    /// Takes over a reference to a page, such as [`Frame::into_pfn`] gave.
    ///
    /// # Safety
    /// The reference is the caller's, who does not use it any more. While there is a `Frame` of a page,
    /// what is not one does not write to the page.
    pub unsafe fn from_pfn(pfn: Pfn) -> Frame {
        Frame(pfn)
    }

    /// Which page it is.
    pub fn pfn(&self) -> Pfn {
        self.0
    }

    /// Gives up the reference to the caller.
    pub fn into_pfn(self) -> Pfn {
        ManuallyDrop::new(self).0
    }

    /// True if nobody else has a reference.
    fn is_unique(&self) -> bool {
        frames().refs(self.0) == 1
    }

    /// The bytes of the page.
    pub fn bytes(&self) -> &[u8; FRAME_SIZE] {
        // SAFETY: the direct map has the whole page, and the page stays while there is a reference. It is
        // written only by `bytes_mut`, and not while it has two references.
        unsafe { &*pointer_to(self.0) }
    }

    /// The bytes of the page, to change, if nobody else has a reference.
    #[inline(never)]
    pub fn bytes_mut(&mut self) -> Option<&mut [u8; FRAME_SIZE]> {
        // SAFETY: as for `bytes`; the only reference is borrowed for as long as the result.
        self.is_unique()
            .then(|| unsafe { &mut *pointer_to(self.0) })
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        // SAFETY: the reference was this frame's.
        unsafe { release(self.0) };
    }
}

/// Gives all RAM to the allocator, except that of the firmware, the kernel image and the allocator's records.
pub fn init(platform: &Platform) {
    let image = layout::image();
    let image = Range {
        start: layout::virt_to_phys(image.text),
        end: layout::virt_to_phys(image.end),
    };
    let mut ram = [const { Pfn::new(0)..Pfn::new(0) }; MAX_RANGES];
    let ram = fill(
        &mut ram,
        platform.ram().iter().map(|range| inner_pages(*range)),
    );
    RAM_PAGES.set(
        ram.iter()
            .map(|r| u64::from(r.end.get() - r.start.get()))
            .sum(),
    );

    let taken = platform
        .reserved()
        .iter()
        .copied()
        .chain([image])
        .map(outer_pages);
    let mut reserved = [const { Pfn::new(0)..Pfn::new(0) }; MAX_RANGES];
    let records = {
        let reserved = fill(&mut reserved, taken.clone());
        let layout = Layout {
            usable: ram,
            reserved,
        };
        let count = layout.metadata_frames();
        let Some(first) = layout.place(count) else {
            panic!("no RAM for the {count} pages of records of the page allocator");
        };
        RECORD_PAGES.set(count as u64);
        first..first.plus(count as u32)
    };
    let reserved = fill(&mut reserved, taken.chain([records.clone()]));
    let layout = Layout {
        usable: ram,
        reserved,
    };
    // SAFETY: the range was just taken out of the free RAM, the direct map has it, and nobody else
    // will ever have it.
    let metadata = unsafe {
        let words = layout.metadata_bytes() / 8;
        core::slice::from_raw_parts_mut(pointer_to(records.start), words)
    };
    match KernelFrames::new(&layout, metadata, platform.harts().len()) {
        Some(frames) => FRAMES.set(frames),
        None => panic!("the records of the page allocator do not fit"),
    }
}

type PageRange = core::ops::Range<Pfn>;

/// The pages wholly inside a range.
fn inner_pages(range: Range) -> PageRange {
    let start = range.start.next_multiple_of(FRAME_SIZE as u64);
    Pfn::from_addr(start)..Pfn::from_addr(range.end.max(start))
}

/// The pages that overlap a range.
fn outer_pages(range: Range) -> PageRange {
    Pfn::from_addr(range.start)..Pfn::from_addr(range.end.next_multiple_of(FRAME_SIZE as u64))
}

/// Fills an array from its start; returns the filled part.
fn fill(to: &mut [PageRange], from: impl Iterator<Item = PageRange>) -> &[PageRange] {
    let mut count = 0;
    for (place, range) in to.iter_mut().zip(from) {
        *place = range;
        count += 1;
    }
    to.get(..count).unwrap_or_default()
}
