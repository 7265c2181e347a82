//! Kernel stacks: each in a slot, above a guard of the same size, so that an overflow faults.
//!
//! The stack of an exited thread stays mapped and cached for the next one until memory is short.

use super::Commit;
use super::kernel_space::{self, map_pages, map_physical, try_unmap_pages};
use super::ram::{Frame, frames};
use crate::arch::hart::MAX_HARTS;
use crate::arch::layout::{self, BOOT_STACK_SIZE, STACK_SIZE, STACK_SLOT, STACKS};
use crate::sync::{SpinLock, rank};
use abi::Use;
use core::array::from_fn;
use core::mem;
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::AllocError;
use frames::{FRAME_SIZE, Shrinker};

const PAGES: usize = STACK_SIZE / FRAME_SIZE;
/// Pages of an idle stack. Only interrupt handlers run there; the largest is the state dump, with 3 KiB.
const IDLE_PAGES: usize = 2;
const WORDS: usize = (1000 + MAX_HARTS).div_ceil(64);

/// Most stacks, besides the harts' idle stacks, which have the first slots.
pub const MAX_STACKS: usize = WORDS * 64 - MAX_HARTS;

/// Bitmaps of slots: those in use, and those that are mapped.
struct Slots {
    used: [u64; WORDS],
    mapped: [u64; WORDS],
    /// Number of slots mapped but not in use.
    spare: usize,
}

static SLOTS: SpinLock<Slots, { rank::CACHE }> = SpinLock::new(Slots {
    used: {
        let mut used = [0; WORDS];
        used[0] = (1 << MAX_HARTS) - 1; // idle stacks, by hart index
        used
    },
    mapped: [0; WORDS],
    spare: 0,
});

/// Pages of all mapped stacks.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

struct SpareStacks;
static SPARE: SpareStacks = SpareStacks;

/// Registers the shrinker of cached stacks.
pub fn init() {
    frames().register_shrinker(&SPARE);
}

/// Frees all cached stacks, and page tables that become empty.
pub fn drain() {
    SPARE.shrink(usize::MAX);
}

/// A mapped kernel stack.
pub struct KernelStack {
    slot: usize,
    /// Its pages. Those of a cached stack are not committed, since they are reclaimable.
    _commit: Commit,
}

fn base(slot: usize) -> usize {
    STACKS + slot * STACK_SLOT + STACK_SIZE
}

/// Pages of kernel stacks, including cached ones.
pub fn pages() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

impl KernelStack {
    /// A stack with undefined contents.
    pub fn try_new() -> Result<KernelStack, AllocError> {
        let commit = Commit::try_new(PAGES)?;
        let (slot, mapped) = SLOTS.lock().take().ok_or(AllocError)?;
        if mapped {
            // Another hart may have mapped it, and the caller writes to it at once.
            kernel_space::flush_if_stale();
        } else if let Err(error) = map_slot(slot) {
            SLOTS.lock().put(slot, false);
            return Err(error);
        }
        Ok(KernelStack {
            slot,
            _commit: commit,
        })
    }

    /// The end of the stack.
    pub fn top(&self) -> usize {
        base(self.slot) + STACK_SIZE
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        SLOTS.lock().put(self.slot, true);
    }
}

fn map_slot(slot: usize) -> Result<(), AllocError> {
    let page = || Frame::try_new(Use::Stack);
    let pages: [Frame; PAGES] = [page()?, page()?, page()?, page()?];
    // SAFETY: the slot was taken, and is not mapped.
    unsafe { map_pages(base(slot), pages)? };
    MAPPED.fetch_add(PAGES, Ordering::Relaxed);
    Ok(())
}

/// Maps the idle stack of the hart with this index; returns its end. It is next to the guard, and never freed.
///
/// # Safety
/// There is such a hart, and it has no idle stack yet.
pub unsafe fn map_idle(index: usize) -> Result<usize, AllocError> {
    let commit = Commit::try_new(IDLE_PAGES)?;
    let page = || Frame::try_new(Use::Stack);
    let pages: [Frame; IDLE_PAGES] = [page()?, page()?];
    // SAFETY: the slot is the hart's, and not mapped yet.
    unsafe { map_pages(base(index), pages)? };
    MAPPED.fetch_add(IDLE_PAGES, Ordering::Relaxed);
    mem::forget(commit);
    Ok(base(index) + IDLE_PAGES * FRAME_SIZE)
}

/// As [`map_idle`] for the boot hart, with the memory of the boot stack, which the hart must not use any more
/// when it switches to the idle stack.
///
/// # Safety
/// The caller is the boot hart, on the boot stack, and has no idle stack yet.
pub unsafe fn map_boot_stack() -> Result<usize, AllocError> {
    let start = layout::virt_to_phys(layout::boot_stack());
    let pages: [_; BOOT_STACK_SIZE / FRAME_SIZE] = from_fn(|i| start + (i * FRAME_SIZE) as u64);
    // SAFETY: the slot is the boot hart's, and not mapped yet.
    unsafe { map_physical(base(0), &pages)? };
    Ok(base(0) + BOOT_STACK_SIZE)
}

impl Slots {
    /// Takes a free slot, preferably a mapped one; returns whether it is mapped.
    #[inline(never)]
    fn take(&mut self) -> Option<(usize, bool)> {
        let mapped = self.spare > 0;
        let fits = |i: usize| match mapped {
            true => self.mapped[i] & !self.used[i] != 0,
            false => self.used[i] != u64::MAX,
        };
        let word = (0..WORDS).find(|&i| fits(i))?;
        self.spare -= usize::from(mapped);
        let candidates = !self.used[word] & if mapped { self.mapped[word] } else { u64::MAX };
        let bit = candidates.trailing_zeros() as usize;
        self.used[word] |= 1 << bit;
        Some((word * 64 + bit, mapped))
    }

    #[inline(never)]
    fn put(&mut self, slot: usize, mapped: bool) {
        let (word, bit) = (slot / 64, 1 << (slot % 64));
        self.used[word] &= !bit;
        self.mapped[word] &= !bit;
        self.mapped[word] |= if mapped { bit } else { 0 };
        self.spare += usize::from(mapped);
    }

    fn take_spare(&mut self) -> Option<usize> {
        (self.spare > 0)
            .then(|| self.take().map(|(slot, _)| slot))
            .flatten()
    }
}

impl Shrinker for SpareStacks {
    fn shrink(&self, wanted: usize) -> usize {
        let mut freed = 0;
        while freed < wanted {
            let Some(slot) = SLOTS.try_lock().and_then(|mut slots| slots.take_spare()) else {
                break;
            };
            // SAFETY: the slot is mapped, and was taken just now.
            let unmapped = unsafe { try_unmap_pages(base(slot), PAGES) };
            SLOTS.lock().put(slot, !unmapped);
            if !unmapped {
                break;
            }
            MAPPED.fetch_sub(PAGES, Ordering::Relaxed);
            freed += PAGES;
        }
        freed
    }

    fn reclaimable(&self) -> usize {
        SLOTS.lock().spare * PAGES
    }
}
