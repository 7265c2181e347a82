//! The disk stops, or fails once, at every step of a scenario: each transaction is there as a whole
//! or not at all, and what was reported as done stays done.

mod common;

use abi::FileType::{Device, Directory, File};
use common::*;
use xv6fs::{Error, Fs, ROOT};

/// One step of the scenario, by paths.
#[derive(Clone, Copy, Debug)]
enum Step {
    Make(&'static str, abi::FileType),
    Write(&'static str, usize, usize),
    Link(&'static str, &'static str),
    Unlink(&'static str),
    Remove(&'static str),
    Truncate(&'static str),
}

/// Touches every kind of change: new and reused blocks, indirect blocks, growing directories.
const SCENARIO: &[Step] = &[
    Step::Make("/d", Directory),
    Step::Make("/d/e", Directory),
    Step::Make("/d/f", File),
    Step::Write("/d/f", 0, 3000),
    Step::Make("/null", Device),
    Step::Write("/d/f", 2999, 20_000),
    Step::Link("/d/f", "/d/e/g"),
    Step::Write("/d/f", 500, 100),
    Step::Unlink("/d/f"),
    Step::Make("/h", File),
    Step::Write("/h", 0, 12_288),
    Step::Truncate("/d/e/g"),
    Step::Write("/h", 12_288, 1),
    Step::Remove("/d/e/g"),
    Step::Remove("/d/e"),
    Step::Write("/h", 5000, 9000),
    Step::Remove("/h"),
    Step::Make("/i", File),
    Step::Write("/i", 0, 1500),
];

fn run(fs: &mut Fs<Disk>, step: Step) -> Result<(), Error> {
    match step {
        Step::Make(path, kind) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            fs.create(dir, name, kind, 3, 4)?;
        }
        Step::Write(path, offset, length) => {
            let inum = fs.resolve(ROOT, path.as_bytes())?;
            let data = pattern(length as u8, length);
            assert_eq!(fs.write(inum, offset as u64, &data)?, length, "{step:?}");
        }
        Step::Link(old, new) => {
            let inum = fs.resolve(ROOT, old.as_bytes())?;
            let (dir, name) = fs.resolve_parent(ROOT, new.as_bytes())?;
            fs.link(inum, dir, name)?;
        }
        Step::Unlink(path) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            fs.unlink(dir, name)?;
        }
        Step::Remove(path) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            let gone = fs.unlink(dir, name)?;
            assert_eq!(gone.nlink, 0, "{step:?}");
            // That the name is gone is done, whether or not this succeeds.
            let _ = fs.free(gone.inum);
        }
        Step::Truncate(path) => {
            let inum = fs.resolve(ROOT, path.as_bytes())?;
            fs.truncate(inum)?;
        }
    }
    Ok(())
}

fn start() -> Fs<Disk> {
    let mut fs = fresh(200, 40);
    fs.device_mut().steps = 0;
    fs
}

/// What the tree is before the first step, and after each.
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

/// Runs the scenario until a step fails; gives how many were done.
fn run_until_failure(fs: &mut Fs<Disk>) -> usize {
    let failed = SCENARIO.iter().position(|&step| run(fs, step).is_err());
    failed.unwrap_or(SCENARIO.len())
}

#[test]
fn a_disk_that_stops_leaves_whole_transactions() {
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
            // What the recovered disk says it keeps.
            let mut again = Fs::mount(fs.into_device(), 0).expect("mount again");
            assert_eq!(tree(&mut again), found, "{when}: a second mount");
            again.create(ROOT, b"new", File, 0, 0).expect("it goes on");
            assert_clean(&mut again, &when);
        }
    }
}

/// Recovery itself is cut short, at every step, and begun again.
#[test]
fn a_crash_while_recovering_changes_nothing() {
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
            // Mounting takes the disk with it, so it works on a borrowed one.
            let _ = Fs::mount(&mut failing, 0).map(drop);
            let twice = failing.crash(|| random.below(2) == 0);
            let mut fs = Fs::mount(twice, 0).expect("mount after both");
            assert_clean(&mut fs, "crashed twice");
            assert_eq!(tree(&mut fs), expected, "stopped at {stop}, then {second}");
        }
        assert!(expected == states[done] || Some(&expected) == states.get(done + 1));
    }
    assert!(recoveries > 20, "few crashes left something: {recoveries}");
}

/// Some writes or flushes in a row fail and the disk goes on: the operation has not been, or has, and
/// the next ones work.
#[test]
fn a_passing_failure_is_survived() {
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
                    // The disk was back at once, in time to take back what it may have.
                    let crashed = fs.device().clone().crash(|| true);
                    let mut crashed = Fs::mount(crashed, 0).expect("mount");
                    assert_eq!(tree(&mut crashed), states[done], "{when}, kept");
                }
                tries += 1;
                assert!(tries <= count, "{when}: it fails for ever");
            }
        }
        assert_eq!(&tree(&mut fs), last, "{count} failures at {at}");
        // A removed file may still have been waiting to be freed when the disk failed.
        let crashed = fs.into_device().crash(|| false);
        let mut fs = Fs::mount(crashed, 0).expect("mount");
        assert_clean(&mut fs, "after a passing failure");
        assert_eq!(&tree(&mut fs), last, "{count} failures at {at}, mounted");
    }
}

/// A failure that passes, perhaps while the log's header is written, and soon after it a crash: the
/// log of one transaction must not be taken for that of the next.
#[test]
fn a_crash_soon_after_a_failure_leaves_whole_transactions() {
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

/// Files without a name are freed by the next mount.
#[test]
fn orphans_are_freed_by_mounting() {
    let mut fs = start();
    let (blocks, inodes) = (fs.free_blocks(), fs.free_inodes());
    let file = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    write_all(&mut fs, file, 0, &pattern(1, 50_000)).expect("write");
    fs.create(ROOT, b"d", Directory, 0, 0).expect("create");
    fs.unlink(ROOT, b"f").expect("unlink");
    fs.unlink(ROOT, b"d").expect("unlink");
    let mut fs = Fs::mount(fs.into_device(), 0).expect("mount");
    assert_eq!((fs.free_blocks(), fs.free_inodes()), (blocks, inodes));
    assert_clean(&mut fs, "without orphans");
}
