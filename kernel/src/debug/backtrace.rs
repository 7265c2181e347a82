//! Backtraces of the kernel with function names.

use crate::arch::unwind;
use crate::println;
use crate::symbols::{self, Symbol};
use abi::Sys;
use core::fmt;

const MAX_FRAMES: usize = 32;

/// Prints a backtrace of the caller, or if `fault_pc` is not 0, from a fault's program counter and frame
/// pointer.
pub fn print(fault_pc: usize, fault_fp: usize) {
    if fault_pc != 0 {
        print_from(fault_pc, fault_fp);
    } else {
        println!("backtrace:");
        print_callers(unwind::frame_pointer());
    }
}

/// Prints a backtrace from a program counter and its frame pointer.
pub fn print_from(pc: usize, fp: usize) {
    println!("backtrace:");
    line(pc);
    print_callers(fp);
}

/// Prints the callers, from the frame with this frame pointer outwards.
fn print_callers(fp: usize) {
    // SAFETY: the stack of running code, or of code that faulted, is mapped.
    for pc in unsafe { unwind::callers(fp, unwind::stack_of(fp)) }.take(MAX_FRAMES) {
        // An address within the call, which may be the last instruction of its function.
        line(pc - 1);
    }
}

fn line(pc: usize) {
    println!("  {pc:#x}{}", Symbol(pc));
}

/// A call trace on one line: functions, innermost first, without those of the scheduler and the locks, and the
/// name of the system call at the end, if there is one.
pub struct CallTrace<C> {
    /// Program counter of the innermost function, if it did not call another.
    pub at: Option<usize>,
    /// Return addresses, innermost first.
    pub callers: C,
    /// Number of the thread's last system call.
    pub call: u64,
}

/// Innermost functions that every waiting or preempted thread is in.
const SCHEDULER: [&str; 3] = ["kernel::sched::", "kernel::sync::", "kernel::debug::"];
/// Outermost functions, of the trap entry.
const TRAP_ENTRY: [&str; 3] = [
    "trap_from_",
    "kernel::trap::",
    "kernel::arch::riscv64::trap::",
];
/// Functions that implement system calls.
const SYSCALLS: &str = "kernel::syscall::";
/// Most functions to print.
const MAX_PRINTED: usize = 8;

impl<C: Iterator<Item = usize> + Clone> fmt::Display for CallTrace<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut inside, mut printed) = (true, 0);
        // Addresses within the calls, see `print_callers`.
        let calls = self.callers.clone().map(|pc| pc - 1);
        for pc in self.at.into_iter().chain(calls).take(MAX_FRAMES) {
            let mut name = [0; _];
            let Some((name, _)) = symbols::find(pc, &mut name) else {
                continue;
            };
            inside &= SCHEDULER.iter().any(|prefix| name.contains(prefix));
            if inside {
                continue;
            }
            if printed == MAX_PRINTED || TRAP_ENTRY.iter().any(|start| name.starts_with(start)) {
                break;
            }
            let between = if printed == 0 { "" } else { " < " };
            if name.starts_with(SYSCALLS) {
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
