//! Timeouts, and the state that is printed.

use super::{
    Bench, Check, Log,
    ends::read,
    scenarios::{check, front, run, text, wanted},
};
use crate::{
    run::TIMED_OUT,
    session::{Session, Stderr},
};
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("timeout", timeout),
        check("watchdog", watchdog),
        check("watchdog-without-kernel", watchdog_without_kernel),
        check("locks-long-spin", long_spin),
    ]
}

/// A command is killed at its time limit.
fn timeout(bench: &Bench, log: &mut Log) -> Result<()> {
    let start = Instant::now();
    let (status, output) = run(bench, log, &[("CMD", "cat"), ("TIMEOUT", "4")])?;
    ensure!(
        status == TIMED_OUT,
        "exit status {status}, wanted {TIMED_OUT}"
    );
    wanted(&output, "timeout after 4 s")?;
    ensure!(
        start.elapsed() < Duration::from_secs(30),
        "it took {:?}",
        start.elapsed()
    );
    Ok(())
}

/// On timeout the console shows what each hart runs and what each process waits for.
fn watchdog(bench: &Bench, log: &mut Log) -> Result<()> {
    let settings = [
        ("CMD", "cat & zombie; spin"),
        ("TIMEOUT", "10"),
        ("PROFILE", "checked"),
    ];
    let (status, output) = run(bench, log, &settings)?;
    ensure!(status == TIMED_OUT, "exit status {status}");
    let (_, state) = output
        .split_once("\nstate after ")
        .context("no \"state after\"")?;
    let line = |parts: &[&str]| {
        let found = state
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        ensure!(found, "no line of the state has {parts:?}");
        Ok(())
    };
    for hart in ["hart 0: ", "hart 1: ", "hart 2: "] {
        line(&[hart])?;
    }
    line(&["hart ", " spin at 0x", "main"])?;
    line(&[" sleep ", " init ", " s child: wait"])?;
    line(&[" sleep ", " sh ", " s child: wait"])?;
    line(&[" sleep ", " cat ", " s line of input: read"])?;
    line(&[" run ", " spin"])?;
    line(&["end of state"])?;
    wanted(state, "timeout after 10 s")
}

/// For a guest that executes nothing, QEMU shows its harts.
fn watchdog_without_kernel(bench: &Bench, log: &mut Log) -> Result<()> {
    let settings = [
        ("CMD", "echo hi"),
        ("TIMEOUT", "1"),
        ("QEMUEXTRA", "-S"),
        ("CPUS", "2"),
    ];
    let (status, output) = run(bench, log, &settings)?;
    ensure!(status == TIMED_OUT, "exit status {status}");
    wanted(&output, "the kernel does not report its state")?;
    wanted(&output, "hart 0: at 0x1000, ")?;
    wanted(&output, "hart 1: at 0x1000, ")
}

/// In a release kernel, which does not track lock owners, a hart reports a long spin.
fn long_spin(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("long-spin.img");
    let settings = [("BOOT", "provoke=spinlock"), ("KEEP", text(&image)?)];
    let command = front(bench, "scripts/xtask", &["qemu"], &settings);
    let mut session = Session::start(command, true, Stderr::Console)?;
    let mut output = String::new();
    read(&mut session, log, &mut output, Some(", for pid 1 init"))?;
    wanted(&output, " spins for 5 s for lock ")?;
    wanted(&output, ", process table, in kernel::")
}
