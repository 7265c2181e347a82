//! The kernel half of every address space, in gigabytes from the top (Sv39, 512 root entries):
//!
//! ```text
//! 256..384  direct map: all RAM, at a constant distance from its physical address
//! 511       devices; kernel stacks, each above a hole of its own size
//! ```

use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

/// First address of the direct map's window.
pub const DIRECT_MAP: usize = 0xffff_ffc0_0000_0000;
/// Bytes of the direct map's window.
pub const DIRECT_MAP_SIZE: usize = 128 << 30;
/// Devices are mapped here, in pages: in front of the first stacks, so that they share a table.
pub const DEVICES: Range<usize> = 0xffff_ffff_c000_0000..STACKS;
/// Kernel stacks are mapped from here on.
pub const STACKS: usize = 0xffff_ffff_c010_0000;
/// Devices are mapped here in superpages, behind all stacks.
pub const LARGE_DEVICES: Range<usize> = 0xffff_ffff_e000_0000..0xffff_ffff_f000_0000;
/// Bytes of one kernel stack. The trap entry finds an overflow by this bit of the stack pointer.
pub const STACK_SIZE: usize = 16 << 10;
/// Bytes of the stack of the boot code, which has no guard.
pub const BOOT_STACK_SIZE: usize = 12 << 10;
/// Distance of two kernel stacks: the lower half of each slot is never mapped.
pub const STACK_SLOT: usize = 2 * STACK_SIZE;

/// Virtual minus physical address in the direct map, wrapping. The boot code sets it before all else, since
/// it depends on where the firmware loaded the image.
pub(super) static OFFSET: AtomicUsize = AtomicUsize::new(DIRECT_MAP);

/// Where the direct map has this physical address.
#[inline(always)]
pub fn phys_to_virt(physical: u64) -> usize {
    (physical as usize).wrapping_add(OFFSET.load(Ordering::Relaxed))
}

/// The physical address behind an address of the direct map.
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

/// The kernel image's parts, as virtual addresses.
pub struct Image {
    /// Start of the image and of its code.
    pub text: usize,
    /// End of the code, start of read-only data.
    pub etext: usize,
    /// End of read-only data, start of data.
    pub erodata: usize,
    /// End of the image.
    pub end: usize,
}

/// Where the parts of the kernel image are.
pub fn image() -> Image {
    Image {
        text: &raw const _text as usize,
        etext: &raw const _etext as usize,
        erodata: &raw const _erodata as usize,
        end: &raw const _end as usize,
    }
}

/// Where the stack of the boot code is, [`BOOT_STACK_SIZE`] bytes, in the direct map.
pub fn boot_stack() -> usize {
    &raw const _boot_stack as usize
}
