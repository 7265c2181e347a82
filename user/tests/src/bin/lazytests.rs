//! `lazytests`: heap memory is allocated on touch and freed by sbrk, and a process that wants too
//! much is killed.
#![no_std]
#![no_main]

use abi::PAGE_SIZE;
use harness::expect_eq;
use harness::{Expect, Outcome, dies, ends_with, grow_touched, isolated, peek, poke, warm_up};
use ulib::string::String;
use ulib::{main, mem, println};

main!(main);

/// A sparse heap: 1 GiB, every 64th page touched.
const SPARSE: usize = 1 << 30;
const STRIDE: usize = 64 * PAGE_SIZE;
/// Allocation step of the process that wants too much.
const PIECE: usize = 16 << 20;

fn main() -> i32 {
    warm_up();
    println!("lazytests starting");
    let tests = [
        ("lazy alloc", sparse as fn() -> Outcome),
        ("lazy unmap", unmap),
        ("out of memory", too_much),
    ];
    let mut failed = false;
    for (name, test) in tests {
        println!("running test {name}");
        if let Err(error) = isolated(test) {
            println!("test {name}: FAILED: {error}");
            failed = true;
            continue;
        }
        println!("test {name}: OK");
    }
    match failed {
        true => println!("SOME TESTS FAILED"),
        false => println!("ALL TESTS PASSED"),
    }
    i32::from(failed)
}

/// Grows the heap by [`SPARSE`] and writes to every 64th page its address.
fn sparse_heap() -> Result<usize, String> {
    let base = mem::grow(SPARSE).or_fail("grow the heap by 1 GiB")? as usize;
    for at in (base..base + SPARSE).step_by(STRIDE) {
        // SAFETY: the kernel just gave this memory to us.
        unsafe { (at as *mut usize).write_unaligned(at) };
    }
    Ok(base)
}

fn sparse() -> Outcome {
    let base = sparse_heap()?;
    for at in (base..base + SPARSE).step_by(STRIDE) {
        // SAFETY: written above.
        let seen = unsafe { (at as *const usize).read_unaligned() };
        expect_eq!(seen, at, "what was written to {at:#x}");
        let between = peek(at + STRIDE / 2);
        expect_eq!(between, 0, "an untouched byte after {at:#x}");
    }
    Ok(())
}

fn unmap() -> Outcome {
    let base = sparse_heap()?;
    for at in (base..base + SPARSE).step_by(SPARSE / 16) {
        dies("touching freed memory", || {
            // SAFETY: nothing was allocated since, and the heap's memory is not used any more.
            if unsafe { mem::sbrk(-(SPARSE as isize)) }.is_err() {
                return;
            }
            // SAFETY: not ours any more, so it must kill this process.
            unsafe { poke(at, 1) };
        })?;
    }
    // SAFETY: written by `sparse_heap`.
    let seen = unsafe { (base as *const usize).read_unaligned() };
    expect_eq!(
        seen,
        base,
        "the parent's memory after its children gave theirs back"
    );
    Ok(())
}

fn too_much() -> Outcome {
    ends_with(abi::KILLED, "touching all memory", || {
        while grow_touched(PIECE / PAGE_SIZE).is_ok() {}
        0
    })
}
