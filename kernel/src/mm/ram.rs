//! The page allocator over this machine's RAM.

use crate::arch::{hart, layout};
use crate::dev::platform::{Platform, Range};
use crate::sync::{Once, RawSpin, rank};
use core::mem::ManuallyDrop;
use frames::{FRAME_SIZE, Frames, Pfn};
use kmalloc::AllocError;

/// The frame allocator with this kernel's locks.
pub type KernelFrames = Frames<RawSpin<{ rank::FRAMES }>>;

static FRAMES: Once<KernelFrames> = Once::new();
static RAM_PAGES: Once<u64> = Once::new();

const MAX_RANGES: usize = 32;

/// The allocator.
pub fn frames() -> &'static KernelFrames {
    FRAMES.get()
}

/// The hart's index, which tells the allocators whose cache to use. It is a hint: after a move to
/// another hart another cache serves as well.
#[inline]
pub fn cpu() -> usize {
    hart::this().index()
}

/// Pages of RAM in all, the firmware's and the kernel image's among them.
pub fn total_pages() -> u64 {
    RAM_PAGES.try_get().copied().unwrap_or(0)
}

/// Where the direct map has a frame.
#[inline]
pub fn address_of(pfn: Pfn) -> usize {
    layout::phys_to_virt(pfn.addr())
}

/// The frame behind an address of the direct map.
#[inline]
pub fn frame_of(address: usize) -> Pfn {
    Pfn::from_addr(layout::virt_to_phys(address))
}

/// Fills a frame with zeros. Nobody else may use it at this time.
pub fn zero(pfn: Pfn) {
    // SAFETY: the direct map has the whole frame, and the caller is the only one to use it.
    unsafe { core::ptr::write_bytes(address_of(pfn) as *mut u64, 0, FRAME_SIZE / 8) };
}

/// One page of RAM with one owner; goes back to the allocator when dropped.
pub struct Frame(Pfn);

impl Frame {
    /// A page with any content.
    pub fn try_new() -> Result<Frame, AllocError> {
        frames().alloc(cpu(), 0).map(Frame).map_err(|_| AllocError)
    }

    /// A page full of zeros.
    pub fn try_new_zeroed() -> Result<Frame, AllocError> {
        let frame = Frame::try_new()?;
        zero(frame.0);
        Ok(frame)
    }

    /// Takes over one reference to a frame.
    pub fn from_pfn(pfn: Pfn) -> Frame {
        Frame(pfn)
    }

    /// Hands the reference to the caller.
    pub fn into_pfn(self) -> Pfn {
        ManuallyDrop::new(self).0
    }

    /// Which page it is.
    pub fn pfn(&self) -> Pfn {
        self.0
    }

    /// One more reference to the same page.
    pub fn share(&self) -> Frame {
        frames().retain(self.0);
        Frame(self.0)
    }

    /// True if nobody else has a reference.
    pub fn is_unique(&self) -> bool {
        frames().refs(self.0) == 1
    }

    /// The bytes of the page. Where the page is shared, others may change them meanwhile; they are
    /// file pages, whose readers and writers hold the file's lock.
    pub fn bytes(&self) -> &[u8; FRAME_SIZE] {
        // SAFETY: the direct map has the whole page for as long as the reference is held.
        unsafe { &*(address_of(self.0) as *const [u8; FRAME_SIZE]) }
    }

    /// The bytes of the page, to change.
    pub fn bytes_mut(&mut self) -> &mut [u8; FRAME_SIZE] {
        // SAFETY: as for `bytes`.
        unsafe { &mut *(address_of(self.0) as *mut [u8; FRAME_SIZE]) }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        frames().release(cpu(), self.0);
    }
}

/// Hands all RAM but the firmware's, the kernel image's and the allocator's own records to the
/// allocator.
pub fn init(platform: &Platform) {
    let image = layout::image();
    let image = Range {
        start: layout::virt_to_phys(image.text),
        end: layout::virt_to_phys(image.end),
    };
    RAM_PAGES.set(platform.ram().iter().map(|r| (r.end - r.start) / FRAME_SIZE as u64).sum());
    let mut free = FreeRanges::new(platform.ram());
    free.remove(image);
    for reserved in platform.reserved() {
        free.remove(*reserved);
    }
    let first = free.as_slice().first().map_or(0, |r| r.start);
    let last = free.as_slice().last().map_or(0, |r| r.end);
    let harts = platform.harts().len();
    let need = KernelFrames::metadata_bytes(Pfn::from_addr(first), Pfn::from_addr(last), harts);
    let records = free.carve(need, image.end);
    // SAFETY: the range was just taken out of the free RAM, the direct map has it, and nobody else
    // will ever have it.
    let metadata = unsafe {
        let address = layout::phys_to_virt(records.start) as *mut u64;
        let words = (records.end - records.start) as usize / 8;
        core::ptr::write_bytes(address, 0, words);
        core::slice::from_raw_parts_mut(address, words)
    };
    let mut ranges = [Pfn::new(0)..Pfn::new(0); MAX_RANGES].map(|r: core::ops::Range<Pfn>| r);
    let used = free.as_slice();
    for (to, from) in ranges.iter_mut().zip(used) {
        *to = Pfn::from_addr(from.start)..Pfn::from_addr(from.end);
    }
    FRAMES.set(KernelFrames::new(ranges.get(..used.len()).unwrap_or(&[]), metadata, harts));
}

/// A sorted list of page-aligned ranges.
struct FreeRanges {
    ranges: [Range; MAX_RANGES],
    count: usize,
}

impl FreeRanges {
    fn new(ram: &[Range]) -> FreeRanges {
        let mut free = FreeRanges { ranges: [Range { start: 0, end: 0 }; MAX_RANGES], count: 0 };
        for range in ram {
            let page = FRAME_SIZE as u64;
            free.push(Range { start: range.start.next_multiple_of(page), end: range.end / page * page });
        }
        free.ranges.get_mut(..free.count).unwrap_or_default().sort_unstable_by_key(|r| r.start);
        free
    }

    fn as_slice(&self) -> &[Range] {
        self.ranges.get(..self.count).unwrap_or_default()
    }

    /// Adds a range; where there is no room for one more its RAM stays unused.
    fn push(&mut self, range: Range) {
        if range.start < range.end
            && let Some(place) = self.ranges.get_mut(self.count)
        {
            *place = range;
            self.count += 1;
        }
    }

    fn remove(&mut self, hole: Range) {
        let page = FRAME_SIZE as u64;
        let (start, end) = (hole.start / page * page, hole.end.next_multiple_of(page));
        let mut rest = FreeRanges { ranges: self.ranges, count: 0 };
        for range in self.as_slice() {
            rest.push(Range { start: range.start, end: range.end.min(start) });
            rest.push(Range { start: range.start.max(end), end: range.end });
        }
        *self = rest;
    }

    /// Takes `bytes` out, from the first range at or behind `near` that is large enough, so that the
    /// records lie right behind the kernel image.
    fn carve(&mut self, bytes: usize, near: u64) -> Range {
        let size = bytes.next_multiple_of(FRAME_SIZE) as u64;
        let fits = |r: &&Range| r.end - r.start >= size;
        let behind = self.as_slice().iter().filter(|r| r.start >= near).find(fits);
        let Some(range) = behind.or_else(|| self.as_slice().iter().find(fits)) else {
            panic!("no RAM for the records of the page allocator ({size} bytes)");
        };
        let taken = Range { start: range.start, end: range.start + size };
        self.remove(taken);
        taken
    }
}
