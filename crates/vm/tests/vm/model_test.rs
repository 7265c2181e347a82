//! Random operations by several processes, on the crate and on the model.
//!
//! `VM_SEQUENCES=n` asks for another number of sequences than [`SEQUENCES`], each of [`STEPS`] steps.
//! A sequence that fails is shortened to what it takes to fail and printed with its seed;
//! `VM_SEED=seed cargo test -p vm --test vm model_test` runs that one alone.

use crate::mmu::go_to;
use crate::ops::{Step, step};
use crate::pair::Pair;
use crate::ram::Ram;
use crate::random::Random;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const SEQUENCES: u64 = 1000;
const STEPS: usize = 200;
/// Where the seeds of sequences are counted from.
const FIRST_SEED: u64 = 0x9a60da;
/// Frames of the machines: of plenty with one large page, short of memory, with several, and one that
/// promises no more than it has. Sequences take turns.
const FRAMES: [usize; 7] = [1500, 1500, 1500, 100, 40, 2100, STRICT];
const STRICT: usize = 150;
/// Pages that the page cache can have.
const CACHED: usize = 8;

fn steps(seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    (0..STEPS).map(|_| step(&mut random)).collect()
}

/// Runs the steps; tells how often large pages and tables of several processes were seen.
fn run(ram: &Ram, steps: &[Step]) -> (u64, u64) {
    let mut pair = Pair::new(ram);
    for &(hart, p, op, failing) in steps {
        pair.step(hart, p, op, failing);
    }
    go_to(0);
    pair.end()
}

/// A machine; the largest reserves frames. ASIDs are fewer than the processes.
fn machine(frames: usize) -> Ram {
    let ram = Ram::new(frames);
    ram.use_asids(3);
    if frames > 2000 {
        ram.make_reservations();
    }
    if frames == STRICT {
        ram.be_strict(CACHED);
    }
    ram
}

fn fails(frames: usize, steps: &[Step]) -> bool {
    catch_unwind(|| run(&machine(frames), steps)).is_err()
}

/// Leaves out steps, many at a time and then one by one, as long as the rest fails.
fn shortened(frames: usize, mut steps: Vec<Step>) -> Vec<Step> {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if fails(frames, &fewer) {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}

fn report(seed: u64) -> ! {
    let frames = frames_for(seed);
    let hook = take_hook();
    set_hook(Box::new(|_| ()));
    let steps = shortened(frames, steps(seed));
    set_hook(hook);
    eprintln!("VM_SEED={seed:#x} fails, with {frames} frames, in these steps:");
    steps.iter().for_each(|step| eprintln!("    {step:x?}"));
    run(&machine(frames), &steps);
    panic!("sequence {seed:#x} failed once and not again");
}

fn frames_for(seed: u64) -> usize {
    FRAMES[(seed % FRAMES.len() as u64) as usize]
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Runs sequences from a common counter until all are done or one has failed.
fn work(next: &AtomicU64, end: u64, failed: &Mutex<Option<u64>>, seen: [&AtomicU64; 2]) {
    let machines = FRAMES.map(machine);
    loop {
        let seed = next.fetch_add(1, Relaxed);
        if seed >= end || failed.lock().is_ok_and(|failed| failed.is_some()) {
            return;
        }
        // A machine is used again: at the end of a sequence all its frames are free.
        let ram = &machines[(seed % FRAMES.len() as u64) as usize];
        let attempt = catch_unwind(AssertUnwindSafe(|| run(ram, &steps(seed))));
        let Ok((large, common)) = attempt else {
            failed
                .lock()
                .expect("no panic while locked")
                .get_or_insert(seed);
            return;
        };
        seen[0].fetch_add(large, Relaxed);
        seen[1].fetch_add(common, Relaxed);
    }
}

#[test]
fn processes_see_what_the_model_says() {
    if let Some(seed) = number("VM_SEED") {
        return if fails(frames_for(seed), &steps(seed)) {
            report(seed)
        };
    }
    let sequences = number("VM_SEQUENCES").unwrap_or(SEQUENCES);
    let next = AtomicU64::new(FIRST_SEED);
    let failed = Mutex::new(None);
    let seen = [&AtomicU64::new(0), &AtomicU64::new(0)];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let start = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&next, FIRST_SEED + sequences, &failed, seen));
        }
    });
    if let Some(seed) = failed.into_inner().expect("no panic while locked") {
        report(seed);
    }
    let seconds = start.elapsed().as_secs_f32();
    let [large, common] = seen.map(|seen| seen.load(Relaxed));
    // Not with the macro, whose output is shown of tests that fail only.
    let told = writeln!(
        std::io::stderr(),
        "{sequences} sequences of {STEPS} steps in {seconds:.1} s on {threads} threads; \
         large pages were seen in {large} looks, tables of several processes in {common}"
    );
    told.expect("somebody listens");
    let enough = |looks| looks >= sequences;
    assert!(
        enough(large) && enough(common),
        "too seldom for a test of them"
    );
}
