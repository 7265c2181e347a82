//! Stack unwinding by frame pointers. RISC-V calling convention: return address at fp - 8, the caller's
//! frame pointer at fp - 16.

use super::layout;
use core::arch::asm;
use core::ops::Range;

/// The frame pointer of the function that this is inlined into.
#[inline(always)]
pub fn frame_pointer() -> usize {
    let fp;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, s0", out(reg) fp, options(nomem, nostack)) };
    fp
}

/// The return address of the function that this is inlined into.
#[inline(always)]
pub fn return_address() -> usize {
    let fp = frame_pointer();
    // SAFETY: the current stack is mapped.
    unsafe { frame_record(fp, &stack_of(fp)) }.map_or(0, |(pc, _)| pc)
}

/// The return addresses from the frame with this frame pointer outwards, while the frames are in `stack`. Ends
/// at assembly without a frame: the trap entry, or the start of a stack.
///
/// # Safety
/// The stack stays mapped while the iterator is used.
pub unsafe fn callers(fp: usize, stack: Range<usize>) -> impl Iterator<Item = usize> + Clone {
    let mut next = Some(fp);
    core::iter::from_fn(move || {
        let fp = next?;
        // SAFETY: the caller's promise.
        let (pc, outer) = unsafe { frame_record(fp, &stack) }.filter(|(_, outer)| *outer != 0)?;
        next = (outer > fp).then_some(outer);
        Some(pc)
    })
}

/// The kernel stack of the frame with this frame pointer; empty if the address is not in the stack area.
pub fn stack_of(fp: usize) -> Range<usize> {
    // The frame pointer of the outermost frame is the end of the stack.
    let slot = fp.saturating_sub(1) / layout::STACK_SLOT * layout::STACK_SLOT;
    match (layout::STACKS..layout::LARGE_DEVICES.start).contains(&slot) {
        true => slot + layout::STACK_SIZE..slot + layout::STACK_SLOT,
        false => 0..0,
    }
}

/// The frame record: return address and the caller's frame pointer. `None` if the frame is neither in the stack
/// nor in the boot stack.
///
/// # Safety
/// The stack is mapped.
unsafe fn frame_record(fp: usize, stack: &Range<usize>) -> Option<(usize, usize)> {
    let image = layout::image();
    let on_boot_stack = (image.erodata..=image.end).contains(&fp);
    // The frame lies below its pointer.
    let on_stack = fp > stack.start + 15 && fp <= stack.end;
    if !fp.is_multiple_of(8) || !(on_stack || on_boot_stack) {
        return None;
    }
    let word = |address: usize| {
        // SAFETY: an aligned address on a mapped stack. Volatile because another hart may run on that
        // stack; any value is fine, since it is only compared and looked up.
        unsafe { (address as *const usize).read_volatile() }
    };
    let (pc, outer) = (word(fp - 8), word(fp - 16));
    (image.text..image.etext)
        .contains(&pc)
        .then_some((pc, outer))
}
