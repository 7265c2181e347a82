//! Registers and counters across context switches.

use core::arch::asm;
use harness::{Expect, Gate, Kid, Outcome, Test};
use harness::{expect, tests};
use ulib::time::{rdcycle, rdinstret, rdtime};
use ulib::vec::Vec;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "counters" = counters,
    "float-registers" = float_registers,
    "float-registers-in-calls" = float_in_calls,
    "float-rounding" = float_rounding,
    "float-of-fork" = float_of_fork,
    "integer-registers" = integer_registers;
    slow:;
};

fn counters() -> Outcome {
    for (name, read) in [
        ("time", rdtime as fn() -> u64),
        ("cycle", rdcycle),
        ("instret", rdinstret),
    ] {
        let first = read();
        let mut last = first;
        // The clock ticks more slowly than the processor.
        for _ in 0..1_000_000 {
            last = read();
            if last != first {
                break;
            }
        }
        expect!(last > first, "{name} to grow, saw {first} and then {last}");
    }
    Ok(())
}

/// Loads all floating-point registers, spins (with a system call per round if `call`), and returns
/// their values.
fn spin_float(values: &[u64; 32], rounds: usize, call: bool) -> [u64; 32] {
    let mut seen = [0_u64; 32];
    macro_rules! each {
        ($instruction:literal, $base:literal) => {
            concat!(
                each!(@ $instruction, $base, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                each!(@ $instruction, $base, 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31),
            )
        };
        (@ $instruction:literal, $base:literal, $($n:literal)*) => {
            concat!($($instruction, " f", $n, ", 8*", $n, "(", $base, ")\n",)*)
        };
    }
    // SAFETY: loads from one array, stores to the other, and asks for the process's number.
    unsafe {
        asm!(
            each!("fld", "{from}"),
            "2:",
            "beqz {call}, 3f",
            "li a7, 11",
            "ecall",
            "3:",
            "addi {rounds}, {rounds}, -1",
            "bnez {rounds}, 2b",
            each!("fsd", "{to}"),
            from = in(reg) values.as_ptr(),
            to = in(reg) seen.as_mut_ptr(),
            call = in(reg) usize::from(call),
            rounds = inout(reg) rounds.max(1) => _,
            out("a0") _, out("a7") _,
            out("f0") _, out("f1") _, out("f2") _, out("f3") _,
            out("f4") _, out("f5") _, out("f6") _, out("f7") _,
            out("f8") _, out("f9") _, out("f10") _, out("f11") _,
            out("f12") _, out("f13") _, out("f14") _, out("f15") _,
            out("f16") _, out("f17") _, out("f18") _, out("f19") _,
            out("f20") _, out("f21") _, out("f22") _, out("f23") _,
            out("f24") _, out("f25") _, out("f26") _, out("f27") _,
            out("f28") _, out("f29") _, out("f30") _, out("f31") _,
            options(nostack),
        );
    }
    seen
}

/// Values unique to a process.
fn values(number: u64) -> [u64; 32] {
    core::array::from_fn(|i| (number << 32) | (i as u64 * 0x0101_0101))
}

/// Twelve processes hold different values while they spin.
fn compete(rounds: usize, call: bool) -> Outcome {
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (1..=12)
        .map(|number| {
            Kid::start(|| {
                gate.pass();
                let expected = values(number);
                i32::from((0..4).any(|_| spin_float(&expected, rounds, call) != expected))
            })
        })
        .collect::<Result<_, _>>()?;
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "keeping its floating-point registers"))
}

fn float_registers() -> Outcome {
    compete(10_000_000, false)
}

fn float_in_calls() -> Outcome {
    compete(2_000, true)
}

/// The rounding mode is per process.
fn float_rounding() -> Outcome {
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..5_usize)
        .map(|mode| {
            Kid::start(|| {
                // SAFETY: sets the rounding mode; Rust code here uses no floating point.
                unsafe { asm!("fsrm {}", in(reg) mode) };
                gate.pass();
                let good = (0..20_000).all(|_| {
                    let seen: usize;
                    ulib::process::id();
                    // SAFETY: reads the rounding mode.
                    unsafe { asm!("frrm {}", out(reg) seen) };
                    seen == mode
                });
                i32::from(!good)
            })
        })
        .collect::<Result<_, _>>()?;
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "keeping its rounding mode"))
}

/// fork copies the registers.
fn float_of_fork() -> Outcome {
    let pattern = 0x4242_4242_4242_4242_u64;
    let answer: isize;
    let seen: u64;
    // SAFETY: forks; the child compares and ends with the answer, the parent goes on.
    unsafe {
        asm!(
            "fmv.d.x fs3, {pattern}",
            "li a7, 1",
            "ecall",
            "bnez a0, 2f",
            "fmv.x.d a0, fs3",
            "sub a0, a0, {pattern}",
            "snez a0, a0",
            "li a7, 2",
            "ecall",
            "2:",
            "fmv.x.d {seen}, fs3",
            pattern = in(reg) pattern,
            seen = out(reg) seen,
            out("a0") answer, out("a7") _, out("fs3") _,
            options(nostack),
        );
    }
    expect!(answer > 0, "fork to work, saw {answer}");
    expect!(
        seen == pattern,
        "the parent's value {pattern:#x}, saw {seen:#x}"
    );
    let (_, status) = ulib::process::wait().or_fail("wait")?;
    expect!(
        status.success(),
        "the child to see the parent's value, saw {status}"
    );
    Ok(())
}

/// Preserved registers keep their values across system calls and switches.
fn integer_registers() -> Outcome {
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (1..=8_usize)
        .map(|number| {
            Kid::start(|| {
                gate.pass();
                i32::from((0..5_000).any(|_| !keeps_integers(number << 20)))
            })
        })
        .collect::<Result<_, _>>()?;
    gate.open();
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "keeping its registers"))
}

/// Whether a system call preserves all registers but its number and result.
fn keeps_integers(seed: usize) -> bool {
    let (a, b, c, d, e, f, g): (usize, usize, usize, usize, usize, usize, usize);
    // SAFETY: asks for the process's number.
    unsafe {
        asm!(
            "ecall",
            in("a7") 11,
            out("a0") _,
            inout("a1") seed + 1 => a,
            inout("a5") seed + 2 => b,
            inout("t0") seed + 3 => c,
            inout("t6") seed + 4 => d,
            inout("s2") seed + 5 => e,
            inout("s11") seed + 6 => f,
            inout("ra") seed + 7 => g,
            options(nostack),
        );
    }
    [a, b, c, d, e, f, g]
        .iter()
        .enumerate()
        .all(|(i, &seen)| seen == seed + i + 1)
}
