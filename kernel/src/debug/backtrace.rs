//! Who called whom, by the frame pointers (RISC-V calling convention: return address at fp - 8, the
//! caller's frame pointer at fp - 16).

use super::symbols;
use crate::arch::layout;
use crate::println;
use core::arch::asm;

const MOST: usize = 32;

/// Prints the way to the caller or, where given, to a fault's instruction and frame pointer.
pub fn print(fault_pc: usize, fault_fp: usize) {
    println!("backtrace:");
    let mut fp = fault_fp;
    if fault_pc != 0 {
        line(fault_pc);
    } else {
        // SAFETY: reads a register.
        unsafe { asm!("mv {}, s0", out(reg) fp, options(nomem, nostack)) };
    }
    for _ in 0..MOST {
        let Some((pc, next)) = record(fp) else { break };
        // The call is the instruction before the one returned to.
        line(pc - 1);
        if next <= fp {
            break;
        }
        fp = next;
    }
}

fn record(fp: usize) -> Option<(usize, usize)> {
    let stacks = layout::STACKS..usize::MAX - 7;
    let image = layout::image();
    let on_stack = stacks.contains(&fp) || (image.erodata..=image.end).contains(&fp);
    if !fp.is_multiple_of(8) || !on_stack {
        return None;
    }
    // SAFETY: an aligned address on a kernel stack, above its lower end since a frame lies below.
    let (pc, next) = unsafe { (*((fp - 8) as *const usize), *((fp - 16) as *const usize)) };
    (image.text..image.etext)
        .contains(&pc)
        .then_some((pc, next))
}

fn line(pc: usize) {
    let mut name = [0; _];
    match symbols::find(pc, &mut name) {
        Some((name, offset)) => println!("  {pc:#x} {name}+{offset:#x}"),
        None => println!("  {pc:#x}"),
    }
}
