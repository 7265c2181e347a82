//! Kernel stacks: each in a slot of its own, below it a hole of the same size, so that a stack that
//! is too small faults and does not write over its neighbour.
//!
//! The stack of an ended process stays mapped for the next one until memory gets short.

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
/// Pages of the stack that a hart idles on. Only interrupts are handled there; what takes most is the
/// state of the machine that a key prints, 3 KiB.
const IDLE_PAGES: usize = 2;
const WORDS: usize = (1000 + MAX_HARTS).div_ceil(64);

/// How many stacks there can be beside those on which harts idle, which have the first slots.
pub const MOST: usize = WORDS * 64 - MAX_HARTS;

/// Which slots are in use, and which of the others have memory.
struct Slots {
    used: [u64; WORDS],
    mapped: [u64; WORDS],
    /// Slots with memory that are not in use.
    spare: usize,
}

static SLOTS: SpinLock<Slots, { rank::CACHE }> = SpinLock::new(Slots {
    used: {
        let mut used = [0; WORDS];
        used[0] = (1 << MAX_HARTS) - 1; // to idle on, by the harts' indices
        used
    },
    mapped: [0; WORDS],
    spare: 0,
});

/// Pages of all stacks.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

struct SpareStacks;
static SPARE: SpareStacks = SpareStacks;

/// Lets the allocator ask for spare stacks back.
pub fn init() {
    frames().register_shrinker(&SPARE);
}

/// Gives back all stacks that nobody uses, with the page tables that only they need.
pub fn drain() {
    SPARE.shrink(usize::MAX);
}

/// A mapped kernel stack.
pub struct KernelStack {
    slot: usize,
    /// Its pages; those of a spare stack come back when asked for.
    _commit: Commit,
}

fn base(slot: usize) -> usize {
    STACKS + slot * STACK_SLOT + STACK_SIZE
}

/// Pages of kernel stacks, those kept for reuse among them.
pub fn pages() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

impl KernelStack {
    /// A stack with any content.
    pub fn try_new() -> Result<KernelStack, AllocError> {
        let commit = Commit::try_new(PAGES)?;
        let (slot, mapped) = SLOTS.lock().take().ok_or(AllocError)?;
        if mapped {
            // Perhaps by another hart, and the caller begins to fill the stack at once.
            kernel_space::hear();
        } else if let Err(error) = map_slot(slot) {
            SLOTS.lock().give_back(slot, false);
            return Err(error);
        }
        Ok(KernelStack {
            slot,
            _commit: commit,
        })
    }

    /// The address above the stack.
    pub fn top(&self) -> usize {
        base(self.slot) + STACK_SIZE
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        SLOTS.lock().give_back(self.slot, true);
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

/// Makes the stack for the hart with this index to idle on, for ever; the address above it. It lies at the
/// lower end of its slot, next to the hole.
///
/// # Safety
/// There is such a hart, and it has no such stack yet.
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

/// The same for the boot hart, of the memory of the boot stack: it idles there when it needs nothing more
/// of what it has on that stack, so that those pages stay in use.
///
/// # Safety
/// The caller is the boot hart, on the boot stack, and has no such stack yet.
pub unsafe fn map_boot_stack() -> Result<usize, AllocError> {
    let start = layout::virt_to_phys(layout::boot_stack());
    let pages: [_; BOOT_STACK_SIZE / FRAME_SIZE] = from_fn(|i| start + (i * FRAME_SIZE) as u64);
    // SAFETY: the slot is the boot hart's, and not mapped yet.
    unsafe { map_physical(base(0), &pages)? };
    Ok(base(0) + BOOT_STACK_SIZE)
}

impl Slots {
    /// A slot not in use, one with memory first; whether it has memory.
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
    fn give_back(&mut self, slot: usize, mapped: bool) {
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
            SLOTS.lock().give_back(slot, !unmapped);
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
