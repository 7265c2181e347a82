//! Invalid accesses kill the program, and only it.

use crate::pointers::WILD;
use abi::PAGE_SIZE;
use core::arch::asm;
use harness::{Expect, Outcome, Test, dies, grow_touched, peek, poke};
use harness::{expect_eq, tests};
use ulib::{env, mem};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "fault-read" = reads,
    "fault-write" = writes,
    "fault-jump" = jumps,
    "fault-write-text" = write_text,
    "fault-write-constants" = write_constants,
    "fault-run-data" = run_data,
    "fault-past-break" = past_break,
    "fault-below-stack" = below_stack,
    "stack-is-whole" = stack_is_whole,
    "stack-overflow" = stack_overflow,
    "fault-instructions" = instructions,
    "fault-in-one-of-many" = one_of_many;
    slow:;
};

/// The stack size in the linker script.
const STACK: usize = 64 << 10;

fn reads() -> Outcome {
    WILD.into_iter()
        .try_for_each(|address| dies("reading a wild address", || peek(address)))
}

fn writes() -> Outcome {
    WILD.into_iter().try_for_each(|address| {
        // SAFETY: nothing of ours is there.
        dies("writing a wild address", || unsafe { poke(address, 1) })
    })
}

/// Jumps to an address. The process is killed, or `a7` and `a0` make what is there harmless.
fn jump(address: usize) {
    // SAFETY: the callers jump to where no code is.
    unsafe { asm!("jalr {}", in(reg) address & !1, clobber_abi("C")) };
}

fn jumps() -> Outcome {
    WILD.into_iter()
        .try_for_each(|address| dies("jumping to a wild address", || jump(address)))
}

fn write_text() -> Outcome {
    for address in [0, PAGE_SIZE, jump as fn(usize) as usize] {
        // SAFETY: invalid, so it must kill the process.
        dies("writing to its code", || unsafe { poke(address, 0) })?;
    }
    Ok(())
}

fn write_constants() -> Outcome {
    static CONSTANT: [u8; 4] = *b"same";
    let address = CONSTANT.as_ptr() as usize;
    // SAFETY: invalid, so it must kill the process.
    dies("writing to its constants", || unsafe { poke(address, 0) })?;
    expect_eq!(peek(address), b's', "the constant");
    Ok(())
}

fn run_data() -> Outcome {
    // Two compressed `ret`.
    let mut code = [0x82, 0x80, 0x82, 0x80];
    let on_stack = code.as_mut_ptr() as usize;
    dies("executing its stack", || jump(on_stack))?;
    let heap = grow_touched(1)?;
    for (i, byte) in code.into_iter().enumerate() {
        // SAFETY: the page is ours.
        unsafe { poke(heap + i, byte) };
    }
    dies("executing its heap", || jump(heap))?;
    static CONSTANT: [u8; 4] = [0x82, 0x80, 0x82, 0x80];
    dies("executing its constants", || {
        jump(CONSTANT.as_ptr() as usize)
    })
}

fn past_break() -> Outcome {
    let base = grow_touched(3)?;
    let end = base + 3 * PAGE_SIZE;
    dies("reading past the break", || {
        peek(end.next_multiple_of(PAGE_SIZE))
    })?;
    // SAFETY: nothing was allocated since, and the test's pages are not used below.
    unsafe { mem::sbrk(-2 * PAGE_SIZE as isize) }.or_fail("free memory")?;
    let end = (base + PAGE_SIZE).next_multiple_of(PAGE_SIZE);
    // SAFETY: not ours any more, so it must kill the process.
    dies("writing past the lowered break", || unsafe { poke(end, 1) })
}

/// The lowest address of the stack, which ends with the page of the arguments.
fn stack_bottom() -> usize {
    let argument = env::args_bytes()
        .next()
        .map_or(0, |name| name.as_ptr() as usize);
    argument.next_multiple_of(PAGE_SIZE) - STACK
}

fn below_stack() -> Outcome {
    let bottom = stack_bottom();
    dies("reading below its stack", || peek(bottom - 1))?;
    dies("reading a page below its stack", || {
        peek(bottom - PAGE_SIZE)
    })?;
    // SAFETY: nothing of ours is there.
    dies("writing below its stack", || unsafe { poke(bottom - 8, 1) })
}

fn stack_is_whole() -> Outcome {
    let bottom = stack_bottom();
    for address in (bottom..bottom + STACK / 2).step_by(PAGE_SIZE) {
        expect_eq!(
            peek(address),
            0,
            "an unused byte of the stack at {address:#x}"
        );
        // SAFETY: far below what this program uses of its stack.
        unsafe { poke(address, 1) };
        expect_eq!(
            peek(address),
            1,
            "a written byte of the stack at {address:#x}"
        );
    }
    Ok(())
}

fn stack_overflow() -> Outcome {
    fn recurse(depth: usize) -> usize {
        if core::hint::black_box(depth) == usize::MAX {
            return 0;
        }
        let frame = core::hint::black_box([depth; 32]);
        frame[depth % 32] + core::hint::black_box(recurse(depth + 1))
    }
    dies("endless recursion", || recurse(0))
}

fn instructions() -> Outcome {
    macro_rules! instruction {
        ($what:literal, $text:literal) => {
            dies($what, || {
                // SAFETY: privileged, so it must kill the process.
                unsafe { asm!($text, out("a0") _) };
            })?
        };
    }
    instruction!("an illegal instruction", ".word 0");
    instruction!("another unknown one", ".word 0xffffffff");
    instruction!("reading the kernel's status register", "csrr a0, sstatus");
    instruction!("reading the page table register", "csrr a0, satp");
    instruction!("reading the machine's status register", "csrr a0, mstatus");
    instruction!("returning from a trap", "sret");
    instruction!("flushing the TLB", "sfence.vma");
    instruction!("a breakpoint", "ebreak");
    Ok(())
}

/// Ten processes fault concurrently; an eleventh goes on.
fn one_of_many() -> Outcome {
    use harness::{Gate, Kid};
    let gate = Gate::new()?;
    let mut faulting = ulib::vec::Vec::new();
    for i in 0..10 {
        let address = WILD[i % WILD.len()];
        faulting.push(Kid::start(|| {
            gate.pass();
            i32::from(peek(address))
        })?);
    }
    let good = Kid::start(|| {
        gate.pass();
        let sum = (0..100_000_u64).fold(0, |sum, i| core::hint::black_box(sum + i));
        i32::from(sum != 4_999_950_000)
    })?;
    gate.open();
    good.ends_with(0, "counting while others fault")?;
    faulting
        .into_iter()
        .try_for_each(|kid| kid.ends_with(abi::KILLED, "a fault"))
}
