//! The feature `debug`: red zones around objects in use, and poison in free ones.
//!
//! ```text
//! object in use    | the bytes asked for | RED ... | size, its complement | RED x 8 |
//! free object      | POISON ............................................. | RED x 8 |
//! ```
//!
//! The last eight bytes never change, so they also detect an underrun of the next object. For that, a slab of eight
//! objects or more does not allocate its first one; in a smaller slab an underrun of the first is not detected. The
//! size of a page object is the page's word, and the rest of the page is its red zone; an object of 4096 bytes has
//! none.

use crate::class::{CLASSES, Class, TABLE};
use crate::error::Reason;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use frames::FRAME_SIZE;

/// Whether the feature is on.
pub(crate) const ENABLED: bool = cfg!(feature = "debug");

/// Fill byte of a free object. As an address it is non-canonical with 39 and 48 bits.
const POISON: u8 = 0xa7;
/// Fill byte of red zones.
const RED: u8 = 0xb5;
const POISON_WORD: u64 = u64::from_ne_bytes([POISON; 8]);
const RED_WORD: u64 = u64::from_ne_bytes([RED; 8]);
/// Bytes after an object for the record of its size and the red zone.
const TAIL: usize = 16;

/// The class for an object of `size` bytes and its tail, aligned as one without a tail would be; none for
/// an object that takes a page.
pub(crate) fn class_of(size: usize) -> Option<usize> {
    let align = 1usize.checked_shl(size.trailing_zeros())?;
    let room = size.checked_add(TAIL)?;
    let fits = |class: &Class| class.size >= room && class.size.is_multiple_of(align);
    (0..CLASSES).find(|&index| TABLE.get(index).is_some_and(fits))
}

/// Fills a slab with free objects.
///
/// # Safety
/// A page begins at `page`, and nobody else uses it.
pub(crate) unsafe fn fill_slab(page: *mut u8, class: &Class) {
    // SAFETY: a page has so many bytes, and this one is the caller's.
    unsafe { page.write_bytes(POISON, FRAME_SIZE) };
    // SAFETY: the caller's promise.
    for slot in unsafe { slots(page, class) } {
        slot.zone().store(RED_WORD, Ordering::Relaxed);
    }
}

/// Checks all free objects of an empty slab.
///
/// # Safety
/// As for [`fill_slab`], which filled the page.
///
/// # Panics
/// If one was written to.
pub(crate) unsafe fn check_slab(page: *mut u8, class: &Class) {
    // SAFETY: the caller's promise.
    unsafe { slots(page, class) }.for_each(|slot| slot.check_free());
}

/// The slots of a slab.
///
/// # Safety
/// As for [`fill_slab`], while the slots are used.
unsafe fn slots(page: *mut u8, class: &Class) -> impl Iterator<Item = Slot> {
    (0..FRAME_SIZE / class.size).filter_map(move |number| {
        let start = NonNull::new(page.wrapping_add(number * class.size))?;
        // SAFETY: so many slots of this size lie in the page.
        Some(unsafe { Slot::new(start, class) })
    })
}

/// The memory of one object of a slab, including its tail.
pub(crate) struct Slot {
    start: NonNull<u8>,
    /// Bytes of its class.
    size: usize,
}

impl Slot {
    /// # Safety
    /// An object of a slab of this class begins at `start`, which `fill_slab` has filled or is about to.
    /// While the slot lives, nobody else uses the object.
    pub(crate) unsafe fn new(start: NonNull<u8>, class: &Class) -> Slot {
        Slot {
            start,
            size: class.size,
        }
    }

    /// Makes the free object a live one of `bytes` bytes.
    ///
    /// # Panics
    /// If it was written to since it became free.
    pub(crate) fn arm(&self, bytes: usize) {
        self.check_free();
        self.paint(bytes, RED);
        let bytes = bytes as u32;
        let record = u64::from(bytes) | u64::from(!bytes) << 32;
        self.record().store(record, Ordering::Relaxed);
    }

    /// Makes the live object a free one.
    ///
    /// # Errors
    /// If a red zone before or after it was written to; nothing is done then.
    pub(crate) fn disarm(&self) -> Result<(), Reason> {
        let class = self.size as u16;
        let Some(bytes) = self.bytes() else {
            let offset = (self.size - TAIL) as u16;
            return Err(Reason::Overrun {
                offset,
                size: offset,
                class,
            });
        };
        let overrun = |offset| Reason::Overrun {
            offset: offset as u16,
            size: bytes as u16,
            class,
        };
        if let Some(offset) = self.changed(bytes, RED) {
            return Err(overrun(offset));
        }
        if let Some(byte) = wrong_byte(self.zone(), RED_WORD) {
            return Err(overrun(self.size - 8 + byte));
        }
        if let Some(byte) = self
            .front()
            .and_then(|zone| last_wrong_byte(zone, RED_WORD))
        {
            let before = (8 - byte) as u16;
            return Err(Reason::Underrun { before, class });
        }
        self.paint(0, POISON);
        self.record().store(POISON_WORD, Ordering::Relaxed);
        Ok(())
    }

    /// The requested size, if the record of it is intact.
    fn bytes(&self) -> Option<usize> {
        let record = self.record().load(Ordering::Relaxed);
        let bytes = record as u32;
        let intact = !bytes == (record >> 32) as u32 && bytes as usize <= self.size - TAIL;
        intact.then_some(bytes as usize)
    }

    /// The requested size; of a free object, its usable bytes.
    pub(crate) fn room(&self) -> usize {
        self.bytes().unwrap_or(self.size - TAIL)
    }

    fn check_free(&self) {
        let end = self.size - TAIL;
        let in_record = || wrong_byte(self.record(), POISON_WORD).map(|byte| end + byte);
        let in_zone = || wrong_byte(self.zone(), RED_WORD).map(|byte| end + 8 + byte);
        let body = self.changed(0, POISON);
        if let Some(offset) = body.or_else(in_record).or_else(in_zone) {
            // SAFETY: the offset is in the slot. A concurrent writer would be the bug that is being reported.
            let byte = unsafe { self.start.add(offset).read_volatile() };
            panic!(
                "kmalloc: the free object at {:#x}, of the class of {} bytes, was written to: byte \
                 {offset} is {byte:#04x}",
                self.start.addr(),
                self.size,
            );
        }
    }

    /// Fills the bytes from `from` to the tail.
    fn paint(&self, from: usize, with: u8) {
        let from = from.min(self.size - TAIL);
        // SAFETY: the bytes are in the slot, which nobody else has.
        unsafe {
            self.start
                .add(from)
                .write_bytes(with, self.size - TAIL - from)
        };
    }

    /// The offset of the first byte between `from` and the tail that is not `with`.
    fn changed(&self, from: usize, with: u8) -> Option<usize> {
        // SAFETY: the bytes are in the slot, which nobody else has.
        (from..self.size - TAIL).find(|&offset| unsafe { self.start.add(offset).read() } != with)
    }

    fn record(&self) -> &AtomicU64 {
        // SAFETY: it is inside the slot, whose size and address are multiples of 16.
        unsafe { self.start.add(self.size - TAIL).cast().as_ref() }
    }

    fn zone(&self) -> &AtomicU64 {
        // SAFETY: as for the record.
        unsafe { self.start.add(self.size - 8).cast().as_ref() }
    }

    /// The red zone of the object before, in the same page.
    fn front(&self) -> Option<&AtomicU64> {
        let first = self.start.addr().get().is_multiple_of(FRAME_SIZE);
        // SAFETY: an object that is not the first of its page has another of its size in front,
        // whose red zone is only ever read and written as an atomic.
        (!first).then(|| unsafe { self.start.sub(8).cast().as_ref() })
    }
}

/// Fills a page for an object of `bytes` bytes.
///
/// # Safety
/// A page begins at `start`, and nobody else uses it.
pub(crate) unsafe fn arm_page(start: NonNull<u8>, bytes: usize) {
    let bytes = bytes.min(FRAME_SIZE);
    // SAFETY: a page has so many bytes, and it is the caller's.
    unsafe {
        start.write_bytes(POISON, bytes);
        start.add(bytes).write_bytes(RED, FRAME_SIZE - bytes);
    }
}

/// Poisons the page of an object of `bytes` bytes.
///
/// # Errors
/// If its red zone was written to; nothing is done then.
///
/// # Safety
/// As for [`arm_page`].
pub(crate) unsafe fn disarm_page(start: NonNull<u8>, bytes: usize) -> Result<(), Reason> {
    // SAFETY: the bytes are in the page, which is the caller's.
    let changed = |&offset: &usize| unsafe { start.add(offset).read() } != RED;
    if let Some(offset) = (bytes..FRAME_SIZE).find(changed) {
        return Err(Reason::Overrun {
            offset: offset as u16,
            size: bytes as u16,
            class: FRAME_SIZE as u16,
        });
    }
    // SAFETY: as in `arm_page`.
    unsafe { start.write_bytes(POISON, FRAME_SIZE) };
    Ok(())
}

fn wrong_byte(word: &AtomicU64, expected: u64) -> Option<usize> {
    let wrong = word.load(Ordering::Relaxed) ^ expected;
    wrong.to_ne_bytes().iter().position(|&byte| byte != 0)
}

fn last_wrong_byte(word: &AtomicU64, expected: u64) -> Option<usize> {
    let wrong = word.load(Ordering::Relaxed) ^ expected;
    wrong.to_ne_bytes().iter().rposition(|&byte| byte != 0)
}
