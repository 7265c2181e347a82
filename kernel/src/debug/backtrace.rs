//! Places in the kernel's code, with names.

use crate::arch::unwind;
use crate::println;
use crate::symbols::{self, Place};
use abi::Sys;
use core::fmt;

const MOST: usize = 32;

/// Prints the way to the caller or, where given, to a fault's instruction and frame pointer.
pub fn print(fault_pc: usize, fault_fp: usize) {
    if fault_pc != 0 {
        print_from(fault_pc, fault_fp);
    } else {
        println!("backtrace:");
        print_callers(unwind::frame_pointer());
    }
}

/// Prints the way to an instruction in the function that this frame pointer belongs to.
pub fn print_from(pc: usize, fp: usize) {
    println!("backtrace:");
    line(pc);
    print_callers(fp);
}

/// From the frame with this frame pointer, of the code that runs or has failed, outwards.
fn print_callers(fp: usize) {
    // SAFETY: the stack of code that runs, or did when it failed, is mapped.
    for pc in unsafe { unwind::callers(fp, unwind::stack_of(fp)) }.take(MOST) {
        // The call is the instruction before the one returned to.
        line(pc - 1);
    }
}

fn line(pc: usize) {
    println!("  {pc:#x}{}", Place(pc));
}

/// The functions on the way to a place, innermost first, without those that only wait. It ends with the
/// name of the system call where there is one.
pub struct Way<C> {
    /// The place, if it is not that of a call.
    pub at: Option<usize>,
    /// The addresses that are returned to.
    pub callers: C,
    /// Number of the process's last system call.
    pub call: u64,
}

/// What every process that waits or was preempted is in.
const WITHIN: [&str; 3] = ["kernel::sched::", "kernel::sync::", "kernel::debug::"];
/// What every way into the kernel begins with.
const BEGINNING: [&str; 3] = [
    "trap_from_",
    "kernel::trap::",
    "kernel::arch::riscv64::trap::",
];
/// What every system call begins with.
const CALLS: &str = "kernel::syscall::";
/// Functions that are printed at most.
const LONGEST: usize = 8;

impl<C: Iterator<Item = usize> + Clone> fmt::Display for Way<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut inside, mut printed) = (true, 0);
        // The call is the instruction before the one returned to.
        let calls = self.callers.clone().map(|pc| pc - 1);
        for pc in self.at.into_iter().chain(calls).take(MOST) {
            let mut name = [0; _];
            let Some((name, _)) = symbols::find(pc, &mut name) else {
                continue;
            };
            inside &= WITHIN.iter().any(|within| name.contains(within));
            if inside {
                continue;
            }
            if printed == LONGEST || BEGINNING.iter().any(|start| name.starts_with(start)) {
                break;
            }
            let between = if printed == 0 { "" } else { " < " };
            if name.starts_with(CALLS) {
                let call = Sys::from_number(self.call).map_or("?", Sys::name);
                return write!(f, "{between}{call}");
            }
            let name = name.strip_prefix("kernel::").unwrap_or(name);
            write!(f, "{between}{name}")?;
            printed += 1;
        }
        Ok(())
    }
}
