//! Who called whom, by the frame pointers (RISC-V calling convention: return address at fp - 8, the
//! caller's frame pointer at fp - 16).

use super::layout;
use core::arch::asm;
use core::ops::Range;

/// The frame pointer of the function that this becomes a part of.
#[inline(always)]
pub fn frame_pointer() -> usize {
    let fp;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, s0", out(reg) fp, options(nomem, nostack)) };
    fp
}

/// Where the function that this becomes a part of returns to.
#[inline(always)]
pub fn return_address() -> usize {
    let fp = frame_pointer();
    // SAFETY: the stack that this code runs on is mapped.
    unsafe { record(fp, &stack_with(fp)) }.map_or(0, |(pc, _)| pc)
}

/// The addresses that are returned to, from the frame with this frame pointer outwards, as long as the
/// frames lie in `stack`. It ends before the assembly that has no frame: the way in from user mode, or a
/// stack's first instructions.
///
/// # Safety
/// The stack is mapped as long as the result is used.
pub unsafe fn callers(fp: usize, stack: Range<usize>) -> impl Iterator<Item = usize> + Clone {
    let mut next = Some(fp);
    core::iter::from_fn(move || {
        let fp = next?;
        // SAFETY: the caller's promise.
        let (pc, outer) = unsafe { record(fp, &stack) }.filter(|(_, outer)| *outer != 0)?;
        next = (outer > fp).then_some(outer);
        Some(pc)
    })
}

/// The stack that has the frame with this frame pointer; none where no stacks are.
pub fn stack_with(fp: usize) -> Range<usize> {
    // The pointer of a stack's first frame is the end of the stack.
    let slot = fp.saturating_sub(1) / layout::STACK_SLOT * layout::STACK_SLOT;
    match (layout::STACKS..layout::LARGE_DEVICES.start).contains(&slot) {
        true => slot + layout::STACK_SIZE..slot + layout::STACK_SLOT,
        false => 0..0,
    }
}

/// Where the frame with this frame pointer returns to, and the frame pointer there, if the frame lies in the
/// stack or in that of the boot code.
///
/// # Safety
/// The stack is mapped.
unsafe fn record(fp: usize, stack: &Range<usize>) -> Option<(usize, usize)> {
    let image = layout::image();
    let on_boot_stack = (image.erodata..=image.end).contains(&fp);
    // The frame lies below its pointer.
    let on_stack = fp > stack.start + 15 && fp <= stack.end;
    if !fp.is_multiple_of(8) || !(on_stack || on_boot_stack) {
        return None;
    }
    let word = |address: usize| {
        // SAFETY: an aligned address on a mapped stack. Volatile, since the stack may be one that
        // another hart uses at this moment: whatever is read is only compared and looked up.
        unsafe { (address as *const usize).read_volatile() }
    };
    let (pc, outer) = (word(fp - 8), word(fp - 16));
    (image.text..image.etext)
        .contains(&pc)
        .then_some((pc, outer))
}
