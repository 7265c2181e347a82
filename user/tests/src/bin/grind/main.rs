//! `grind [SEED [ROUNDS]]`: random system calls in several processes, without end or for a number
//! of rounds each. Prints dots for progress.
//!
//! The processes share one directory and a few names, so most calls may fail. What must not fail is
//! checked: data through pipes, memory contents, output of programs, exit statuses.
#![no_std]
#![no_main]

mod acts;

use acts::{HOME, Worker};
use harness::random::Random;
use programs::cli::{complain, number, usage};
use ulib::io::{Write, stdout};
use ulib::{env, fs, main, print, println, process};

main!(main);

/// Worker processes.
const WORKERS: u64 = 4;
/// Rounds per dot.
const DOT: u64 = 20;

fn main() -> i32 {
    let mut numbers = env::args_bytes().skip(1).map(number::<u64>);
    let (seed, rounds) = match (numbers.next(), numbers.next(), numbers.next()) {
        (None, ..) => (1, u64::MAX),
        (Some(Some(seed)), None, _) => (seed, u64::MAX),
        (Some(Some(seed)), Some(Some(rounds)), None) => (seed, rounds),
        _ => return usage("grind [SEED [ROUNDS]]"),
    };
    println!("grind: seed {seed}");
    // It may be left over from an interrupted run.
    let _ = fs::create_dir(HOME);
    let mut failed = false;
    for worker in 0..WORKERS {
        if process::fork_with(|| work(seed, worker, rounds)).is_err() {
            complain("cannot fork");
            failed = true;
            break;
        }
    }
    while let Ok((pid, status)) = process::wait() {
        if !status.success() {
            complain(format_args!(
                "process {pid} was to end with status 0, saw {status}"
            ));
            failed = true;
        }
    }
    println!();
    acts::clean();
    println!("grind: {}", if failed { "FAILED" } else { "OK" });
    i32::from(failed)
}

fn work(seed: u64, number: u64, rounds: u64) -> i32 {
    let random = Random::new(seed.wrapping_mul(WORKERS).wrapping_add(number));
    let mut worker = Worker::new(random);
    for round in 0..rounds {
        if let Err(error) = worker.act() {
            complain(format_args!(
                "seed {seed}, process {number}, round {round}: {error}"
            ));
            return 1;
        }
        if number == 0 && round % DOT == DOT - 1 {
            print!(".");
            let _ = stdout().flush();
        }
    }
    0
}
