//! Fails the disk, for good or for a while, at every step of a scenario: each transaction is
//! atomic, and what was reported as done is durable. Each operation commits here; `group.rs` has the same for
//! transactions of several.

mod common;

use abi::FileType::{Directory, File};
use common::scenario::{SCENARIO, run};
use common::*;
use xv6fs::{Error, Fs, ROOT};

fn start() -> Fs<Disk> {
    let mut fs = fresh(200, 40);
    fs.set_sync(true);
    fs.device_mut().steps = 0;
    fs
}

/// The tree before the first step and after each, and the number of disk steps.
fn states() -> (Vec<Tree>, usize) {
    let mut fs = start();
    let mut states = vec![tree(&mut fs)];
    for &step in SCENARIO {
        run(&mut fs, step).expect("a good disk");
        assert_clean(&mut fs, "on a good disk");
        states.push(tree(&mut fs));
    }
    (states, fs.device().steps)
}

/// Runs the scenario until a step fails; returns how many succeeded.
fn run_until_failure(fs: &mut Fs<Disk>) -> usize {
    let failed = SCENARIO.iter().position(|&step| run(fs, step).is_err());
    failed.unwrap_or(SCENARIO.len())
}

#[test]
fn transactions_are_atomic_when_the_disk_dies() {
    let (states, steps) = states();
    assert!(steps > 150, "the scenario writes: {steps} steps");
    let mut random = Random::new(1);
    for stop in 0..=steps {
        let mut fs = start();
        fs.device_mut().failure = Failure::From(stop);
        let done = run_until_failure(&mut fs);
        assert_eq!(tree(&mut fs), states[done], "in memory, stopped at {stop}");
        let disk = fs.into_device();
        for loss in 0..6 {
            let crashed = disk.clone().crash(|| match loss {
                0 => true,
                1 => false,
                _ => random.below(2) == 0,
            });
            let mut fs = Fs::mount(crashed, 0).expect("mount after the crash");
            let when = format!("stopped at {stop} after {done} steps, loss {loss}");
            assert_clean(&mut fs, &when);
            let found = tree(&mut fs);
            let next = states.get(done + 1);
            assert!(
                found == states[done] || Some(&found) == next,
                "{when}: neither before nor after: {found:?}"
            );
            // Recovery is idempotent.
            let mut again = Fs::mount(fs.into_device(), 0).expect("mount again");
            assert_eq!(tree(&mut again), found, "{when}: a second mount");
            create(&mut again, ROOT, b"new", File);
            assert_clean(&mut again, &when);
        }
    }
}

/// Recovery is interrupted at every step and repeated.
#[test]
fn interrupted_recovery_can_be_repeated() {
    let (states, steps) = states();
    let mut random = Random::new(2);
    let mut recoveries = 0;
    for stop in (0..steps).step_by(3) {
        let mut fs = start();
        fs.device_mut().failure = Failure::From(stop);
        let done = run_until_failure(&mut fs);
        let crashed = fs.into_device().crash(|| random.below(2) == 0);
        let whole = Fs::mount(crashed.clone(), 0).expect("mount");
        let recovery_steps = whole.device().steps;
        let expected = { whole }.into_device();
        let expected = tree(&mut Fs::mount(expected, 0).expect("mount"));
        recoveries += usize::from(recovery_steps > 0);
        for second in 0..recovery_steps {
            let mut failing = crashed.clone();
            failing.failure = Failure::From(second);
            // A failed mount drops its disk, so lend it.
            let _ = Fs::mount(&mut failing, 0).map(drop);
            let twice = failing.crash(|| random.below(2) == 0);
            let mut fs = Fs::mount(twice, 0).expect("mount after both");
            assert_clean(&mut fs, "crashed twice");
            assert_eq!(tree(&mut fs), expected, "stopped at {stop}, then {second}");
        }
        assert!(expected == states[done] || Some(&expected) == states.get(done + 1));
    }
    assert!(
        recoveries > 20,
        "few crashes left a committed log: {recoveries}"
    );
}

/// Some writes or flushes fail and the disk recovers: each operation commits or aborts, and later
/// ones work.
#[test]
fn transient_failures_are_survived() {
    let (states, steps) = states();
    let last = states.last().expect("states");
    for (at, count) in (0..steps).flat_map(|at| [(at, 1), (at, 2), (at, 4)]) {
        let mut fs = start();
        fs.device_mut().failure = Failure::During(at, count, usize::MAX);
        for (done, &step) in SCENARIO.iter().enumerate() {
            let mut tries = 0;
            while let Err(error) = run(&mut fs, step) {
                let when = format!("{step:?}, {count} failures at {at}");
                assert_eq!(error, Error::Device, "{when}");
                assert_eq!(tree(&mut fs), states[done], "{when}");
                let crashed = fs.device().clone().crash(|| false);
                let mut crashed = Fs::mount(crashed, 0).expect("mount");
                assert_eq!(tree(&mut crashed), states[done], "{when}, power lost");
                if count == 1 {
                    // The disk was back in time to clear the header.
                    let crashed = fs.device().clone().crash(|| true);
                    let mut crashed = Fs::mount(crashed, 0).expect("mount");
                    assert_eq!(tree(&mut crashed), states[done], "{when}, kept");
                }
                tries += 1;
                assert!(tries <= count, "{when}: it keeps failing");
            }
        }
        assert_eq!(&tree(&mut fs), last, "{count} failures at {at}");
        // The failure may have left an orphan.
        let crashed = fs.into_device().crash(|| false);
        let mut fs = Fs::mount(crashed, 0).expect("mount");
        assert_clean(&mut fs, "after a transient failure");
        assert_eq!(&tree(&mut fs), last, "{count} failures at {at}, mounted");
    }
}

/// A transient failure, perhaps while the log header is written, then a crash: a stale log must not
/// be replayed for the next transaction.
#[test]
fn transactions_are_atomic_in_a_crash_after_a_failure() {
    let (states, steps) = states();
    let mut random = Random::new(3);
    for (at, pause) in (0..steps).flat_map(|at| (0..12).map(move |pause| (at, pause))) {
        let mut fs = start();
        fs.device_mut().failure = Failure::During(at, 2, at + 2 + pause);
        let mut done = 0;
        let mut failures = 0;
        while failures < 3 && done < SCENARIO.len() {
            match run(&mut fs, SCENARIO[done]) {
                Ok(()) => done += 1,
                Err(_) => failures += 1,
            }
        }
        assert_eq!(tree(&mut fs), states[done], "in memory, {at} and {pause}");
        let crashed = fs.into_device().crash(|| random.below(4) > 0);
        let mut fs = Fs::mount(crashed, 0).expect("mount after the crash");
        let when = format!("failure at {at}, stop {pause} later, {done} done");
        assert_clean(&mut fs, &when);
        let found = tree(&mut fs);
        assert!(
            found == states[done] || Some(&found) == states.get(done + 1),
            "{when}: neither before nor after: {found:?}"
        );
    }
}

#[test]
fn mount_frees_orphans() {
    let mut fs = start();
    let (blocks, inodes) = (fs.free_blocks(), fs.free_inodes());
    let file = create(&mut fs, ROOT, b"f", File);
    write_all(&mut fs, file, 0, &pattern(1, 50_000)).expect("write");
    create(&mut fs, ROOT, b"d", Directory);
    fs.unlink(ROOT, b"f").expect("unlink");
    fs.unlink(ROOT, b"d").expect("unlink");
    let mut fs = Fs::mount(fs.into_device(), 0).expect("mount");
    assert_eq!((fs.free_blocks(), fs.free_inodes()), (blocks, inodes));
    assert_clean(&mut fs, "without orphans");
}
