//! `kmalloctest [NAME…]`: the kernel's allocator through its test calls. `kmalloctest panic` asks
//! for too much, which panics the kernel.
#![no_std]
#![no_main]

use abi::KMALLOC_MAX;
use harness::random::Random;
use harness::{Gate, Kid, Outcome, Tally, Test, ends_with, suite};
use harness::{expect, expect_eq, tests};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{env, format, main, sys};

main!(main);

const TESTS: &[Test] = tests! {
    quick:
    "every-size" = every_size,
    "rounds-of-2000" = rounds,
    "random-order" = random_order,
    "nothing" = nothing,
    "distinct" = distinct,
    "not-ours" = not_ours,
    "fork-shares-nothing" = fork_shares_nothing,
    "all-at-once" = all_at_once,
    "exit-with-objects" = exit_with_objects,
    "killed-with-objects" = killed_with_objects;
    slow:;
};

/// Live objects.
const LIVE: usize = 1000;
/// Concurrent processes: the limit of harts.
const PROCESSES: u64 = 8;

fn main() -> i32 {
    if env::args_bytes().nth(1) == Some(b"panic") {
        let answer = sys::kmalloc(KMALLOC_MAX + 1);
        programs::cli::complain(format_args!("expected the kernel to panic, saw {answer}"));
        return 1;
    }
    suite(&[TESTS])
}

fn get(bytes: usize) -> Result<isize, String> {
    match sys::kmalloc(bytes) {
        -1 | 0 => Err(format!(
            "expected an object of {bytes} bytes, but: the kernel refused"
        )),
        object => Ok(object),
    }
}

fn put(object: isize) -> Outcome {
    expect_eq!(sys::kfree(object), 0, "kfree({object:#x})");
    Ok(())
}

fn every_size() -> Outcome {
    (1..=KMALLOC_MAX).try_for_each(|bytes| put(get(bytes)?))
}

fn rounds() -> Outcome {
    for _ in 0..500 {
        let objects = [get(2000)?, get(2000)?, get(2000)?];
        objects.into_iter().try_for_each(put)?;
    }
    Ok(())
}

/// Objects of sizes that a seed chooses.
fn mixed(random: &mut Random) -> Result<Vec<isize>, String> {
    (0..LIVE)
        .map(|_| get(1 + random.below(KMALLOC_MAX)))
        .collect()
}

fn random_order() -> Outcome {
    let mut random = Random::new(4);
    for _ in 0..3 {
        let mut objects = mixed(&mut random)?;
        random.shuffle(&mut objects);
        // Free half, for the next ones to reuse.
        for object in objects.drain(LIVE / 2..) {
            put(object)?;
        }
        objects.extend(mixed(&mut random)?);
        random.shuffle(&mut objects);
        objects.into_iter().try_for_each(put)?;
    }
    Ok(())
}

fn nothing() -> Outcome {
    expect_eq!(sys::kmalloc(0), 0, "kmalloc(0)");
    expect_eq!(sys::kfree(0), 0, "kfree(null)");
    Ok(())
}

fn distinct() -> Outcome {
    let mut random = Random::new(5);
    let sizes: Vec<usize> = (0..LIVE).map(|_| 1 + random.below(KMALLOC_MAX)).collect();
    let mut objects = Vec::new();
    for bytes in sizes {
        objects.push((get(bytes)? as usize, bytes));
    }
    objects.sort_unstable();
    for pair in objects.windows(2) {
        let [(first, bytes), (second, _)] = pair else {
            continue;
        };
        expect!(
            first + bytes <= *second,
            "objects apart, saw {bytes} bytes at {first:#x} and an object at {second:#x}"
        );
    }
    objects
        .into_iter()
        .try_for_each(|(object, _)| put(object as isize))
}

fn not_ours() -> Outcome {
    let object = get(100)?;
    for wrong in [
        object + 1,
        object + 16,
        object - 16,
        8,
        -8,
        isize::MIN,
        0x1000,
    ] {
        expect_eq!(sys::kfree(wrong), -1, "kfree({wrong:#x}), never given");
    }
    put(object)?;
    expect_eq!(sys::kfree(object), -1, "kfree of an object freed already");
    Ok(())
}

fn fork_shares_nothing() -> Outcome {
    let object = get(100)?;
    ends_with(0, "freeing the parent's object", || {
        i32::from(sys::kfree(object) != -1)
    })?;
    put(object)
}

fn all_at_once() -> Outcome {
    let gate = Gate::new()?;
    let mut children = Vec::new();
    for seed in 0..PROCESSES {
        children.push(Kid::start(|| {
            gate.pass();
            let mut random = Random::new(seed);
            let done = (0..3).try_for_each(|_| {
                let mut objects = mixed(&mut random)?;
                random.shuffle(&mut objects);
                objects.into_iter().try_for_each(put)
            });
            i32::from(done.is_err())
        })?);
    }
    gate.open();
    children
        .into_iter()
        .try_for_each(|child| child.ends_with(0, "kmalloc and kfree"))
}

fn exit_with_objects() -> Outcome {
    ends_with(0, "kmalloc without kfree", || {
        i32::from(mixed(&mut Random::new(6)).is_err())
    })
}

fn killed_with_objects() -> Outcome {
    let (tally, gate) = (Tally::new()?, Gate::new()?);
    let child = Kid::start(|| {
        tally.report(u8::from(mixed(&mut Random::new(7)).is_ok()));
        gate.pass();
        0
    })?;
    let got = tally.listen().hear()?;
    expect_eq!(got, 1, "whether the child got its objects");
    child.kill("kmalloc")
}
