//! The kernel half of every address space, in gigabytes from the top (Sv39, 512 root entries):
//!
//! ```text
//! 256..384  direct map: all RAM, at a constant distance from its physical address
//! 511       devices; kernel stacks, each above a guard of its own size
//! ```

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

/// First address of the direct map.
pub const DIRECT_MAP: usize = 0xffff_ffc0_0000_0000;
/// Bytes of address space for the direct map.
pub const DIRECT_MAP_SIZE: usize = 128 << 30;
/// Addresses for devices mapped in 4 KiB pages, in front of the first stacks, so that they share a leaf table.
pub const DEVICES: Range<usize> = 0xffff_ffff_c000_0000..STACKS;
/// First address for kernel stacks.
pub const STACKS: usize = 0xffff_ffff_c010_0000;
/// Addresses for devices mapped in superpages, after all stacks.
pub const LARGE_DEVICES: Range<usize> = 0xffff_ffff_e000_0000..0xffff_ffff_f000_0000;
/// Bytes of one kernel stack, a power of two. The trap entry detects an overflow by this bit of the stack
/// pointer.
pub const STACK_SIZE: usize = 16 << 10;
/// Bytes of the boot stack, which has no guard.
pub const BOOT_STACK_SIZE: usize = 12 << 10;
/// Distance of two kernel stacks: the lower half of each slot is the guard, never mapped.
pub const STACK_SLOT: usize = 2 * STACK_SIZE;

/// Virtual minus physical address in the direct map, wrapping. The boot code sets it first, since it depends
/// on where the firmware loaded the image.
pub(super) static OFFSET: AtomicUsize = AtomicUsize::new(DIRECT_MAP);

/// The direct-map address of a physical address.
#[inline(always)]
pub fn phys_to_virt(physical: u64) -> usize {
    (physical as usize).wrapping_add(OFFSET.load(Ordering::Relaxed))
}

/// The physical address of a direct-map address.
#[inline(always)]
pub fn virt_to_phys(address: usize) -> u64 {
    address.wrapping_sub(OFFSET.load(Ordering::Relaxed)) as u64
}

unsafe extern "C" {
    static _text: u8;
    static _etext: u8;
    static _erodata: u8;
    static _boot_stack: u8;
    static _end: u8;
}

/// Virtual addresses of the kernel image's sections.
pub struct Image {
    /// Start of the image and of its text.
    pub text: usize,
    /// End of text, start of read-only data.
    pub etext: usize,
    /// End of read-only data, start of data.
    pub erodata: usize,
    /// End of the image.
    pub end: usize,
}

/// The sections of the kernel image.
pub fn image() -> Image {
    Image {
        text: &raw const _text as usize,
        etext: &raw const _etext as usize,
        erodata: &raw const _erodata as usize,
        end: &raw const _end as usize,
    }
}

/// Direct-map address of the boot stack, which has [`BOOT_STACK_SIZE`] bytes.
pub fn boot_stack() -> usize {
    &raw const _boot_stack as usize
}
