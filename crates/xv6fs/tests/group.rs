//! Transactions of several operations. After a crash at any moment, with any of the writes since the last
//! flush lost, the file system is as it was after some operation: none before the last commit, and
//! each whole.

mod common;

use abi::FileType::{Directory, File};
use common::scenario::{SCENARIO, Step, run};
use common::*;
use std::ops::Range;
use xv6fs::{Block, BlockDevice, Error, FormatOptions, Fs, ROOT};

/// With this many unflushed writes every choice of lost ones is tried, with more a sample.
const FEW: usize = 5;
const SAMPLE: usize = 24;

fn start() -> Fs<Disk> {
    let mut fs = fresh(200, 40);
    fs.device_mut().steps = 0;
    fs
}

/// Commits behind some steps, and empties the log behind others.
fn settle(fs: &mut Fs<Disk>, done: usize) -> Result<bool, Error> {
    match done {
        11 => fs.checkpoint().map(|()| true),
        done if done.is_multiple_of(4) => fs.commit().map(|()| true),
        _ => Ok(false),
    }
}

/// The tree before the first step and after each, and the number of disk steps.
fn states(steps: &[Step]) -> (Vec<Tree>, usize) {
    let mut fs = start();
    let mut states = vec![tree(&mut fs)];
    for (done, &step) in (1..).zip(steps) {
        // Of random steps some are refused.
        let _ = run(&mut fs, step);
        settle(&mut fs, done).expect("a good disk");
        assert_clean(&mut fs, "on a good disk");
        states.push(tree(&mut fs));
    }
    (states, fs.device().steps)
}

/// Runs the steps until the disk refuses one; returns how many were done, and how many of them surely are on
/// the disk.
fn run_until_failure(fs: &mut Fs<Disk>, steps: &[Step]) -> Range<usize> {
    let (mut synced, mut done) = (0, 0);
    for &step in steps {
        if run(fs, step) == Err(Error::Device) {
            break;
        }
        done += 1;
        match settle(fs, done) {
            Ok(true) => synced = done,
            Ok(false) => {}
            Err(_) => break,
        }
    }
    synced..done
}

/// Disks after a crash that loses some of the unflushed writes.
fn crashes(disk: &Disk, random: &mut Random) -> Vec<Disk> {
    let count = disk.unflushed();
    let mut all = Vec::new();
    if count <= FEW {
        for lost in 0..1 << count {
            let mut bits = (0..count).map(|bit| lost >> bit & 1 == 0);
            all.push(disk.clone().crash(|| bits.next().unwrap_or(true)));
        }
        return all;
    }
    for sample in 0..SAMPLE {
        all.push(disk.clone().crash(|| match sample {
            0 => true,
            1 => false,
            _ => random.below(2) == 0,
        }));
    }
    all
}

/// What xv6 does at boot: each copy in the log goes to where the header says, in order, and the header is
/// cleared. Written from the description of the format alone.
fn recovered_by_xv6(disk: &Disk) -> Disk {
    let mut image = disk.image();
    let word = |block: &Block, index: usize| {
        let bytes = block[index * 4..index * 4 + 4].try_into();
        u32::from_le_bytes(bytes.expect("four bytes")) as usize
    };
    let log = word(&image[1], 5);
    let header = image[log];
    let count = word(&header, 0);
    assert!(count < 30, "xv6 has room for 30 numbers: {count}");
    for index in 1..=count {
        image[word(&header, index)] = image[log + index];
    }
    image[log] = [0; 1024];
    Disk::from_image(image)
}

/// Crashes at every step of the disk.
fn crash_everywhere(steps: &[Step], stride: usize, random: &mut Random) -> usize {
    let (states, disk_steps) = states(steps);
    let mut logged = 0;
    for stop in (0..=disk_steps).step_by(stride) {
        let mut fs = start();
        fs.device_mut().failure = Failure::From(stop);
        let Range { start, end } = run_until_failure(&mut fs, steps);
        let when = format!("stopped at {stop}, {start} to {end} done");
        assert_eq!(tree(&mut fs), states[end], "{when}: in memory");
        let disk = fs.into_device();
        for crashed in crashes(&disk, random) {
            let by_xv6 = recovered_by_xv6(&crashed);
            logged += usize::from(by_xv6.image() != crashed.image());
            let mut fs = Fs::mount(crashed, 0).expect("mount after the crash");
            assert_clean(&mut fs, &when);
            let found = tree(&mut fs);
            assert!(
                states[start..=end].contains(&found),
                "{when}: found {found:?}"
            );
            let mut fs = Fs::mount(by_xv6, 0).expect("mount after xv6");
            assert_clean(&mut fs, "recovered by xv6");
            assert!(tree(&mut fs) == found, "{when}: xv6 finds something else");
        }
    }
    logged
}

#[test]
fn a_crash_leaves_what_some_operation_left() {
    let logged = crash_everywhere(SCENARIO, 1, &mut Random::new(4));
    assert!(logged > 100, "few crashes left a committed log: {logged}");
}

/// Steps at random: files that grow, shrink, come and go under few names, so that blocks and inodes are
/// used again.
fn random_steps(random: &mut Random) -> Vec<Step> {
    let names = ["/a", "/b", "/c", "/d/e", "/d/f"];
    let step = |_| {
        let name = names[random.below(names.len())];
        match random.below(8) {
            0 | 1 => Step::Make(name, File),
            2 => Step::Make("/d", Directory),
            3..=5 => Step::Write(name, 0, 1 + random.below(20_000)),
            6 => Step::Truncate(name),
            _ => Step::Remove(name),
        }
    };
    (0..40).map(step).collect()
}

#[test]
fn a_crash_within_random_operations_does_too() {
    let mut random = Random::new(5);
    for _ in 0..12 {
        let steps = random_steps(&mut random);
        crash_everywhere(&steps, 5, &mut random);
    }
}

/// The disk fails for a while. Changes stay in memory; commits fail and are tried again.
#[test]
fn changes_outlive_a_failing_disk() {
    let (states, disk_steps) = states(SCENARIO);
    let last = states.last().expect("states");
    let mut failed = 0;
    for (at, count) in (0..disk_steps).flat_map(|at| [(at, 1), (at, 3), (at, 7)]) {
        let mut fs = start();
        fs.device_mut().failure = Failure::During(at, count, usize::MAX);
        let mut tries = 0;
        for (done, &step) in (1..).zip(SCENARIO) {
            let when = format!("{step:?}, {count} failures at {at}");
            while let Err(error) = run(&mut fs, step) {
                assert_eq!(error, Error::Device, "{when}");
                tries += 1;
                assert!(tries <= count, "{when}: it keeps failing");
            }
            assert_eq!(tree(&mut fs), states[done], "{when}");
            failed += usize::from(settle(&mut fs, done).is_err());
            assert_eq!(tree(&mut fs), states[done], "{when}, after the commit");
        }
        let done = (0..=count).any(|_| fs.commit().is_ok());
        assert!(done, "{count} failures at {at}: no commit in the end");
        let crashed = fs.into_device().crash(|| false);
        let mut fs = Fs::mount(crashed, 0).expect("mount");
        assert_clean(&mut fs, "after a failing disk");
        assert_eq!(&tree(&mut fs), last, "{count} failures at {at}");
    }
    assert!(failed > 50, "few commits failed: {failed}");
}

/// The disk fails, is back, and then the power fails: what was found afterwards is what some operation left.
#[test]
fn a_crash_after_a_failing_disk_does_too() {
    let (states, disk_steps) = states(SCENARIO);
    let mut random = Random::new(6);
    for (at, pause) in (0..disk_steps).flat_map(|at| (0..10).map(move |pause| (at, pause))) {
        let mut fs = start();
        fs.device_mut().failure = Failure::During(at, 2, at + 2 + pause);
        let (mut synced, mut done, mut refused) = (0, 0, 0);
        while refused < 4 && done < SCENARIO.len() {
            match run(&mut fs, SCENARIO[done]) {
                Ok(()) => done += 1,
                Err(_) => refused += 1,
            }
            if fs.commit().is_ok() {
                synced = done;
            }
        }
        let crashed = fs.into_device().crash(|| random.below(4) > 0);
        let mut fs = Fs::mount(crashed, 0).expect("mount after the crash");
        let when = format!("failure at {at}, stop {pause} later, {synced} to {done} done");
        assert_clean(&mut fs, &when);
        let found = tree(&mut fs);
        assert!(
            states[synced..=done].contains(&found),
            "{when}: found {found:?}"
        );
    }
}

/// Where each operation commits, one that fails is undone, on the disk too as soon as a commit succeeds.
#[test]
fn a_failed_operation_does_not_come_back() {
    let steps = {
        let mut fs = start();
        fs.set_sync(true);
        create(&mut fs, ROOT, b"file", File);
        fs.device().steps
    };
    let mut failed = 0;
    for (at, count) in (0..steps).flat_map(|at| (1..5).map(move |count| (at, count))) {
        let when = format!("{count} failures at {at}");
        let mut fs = start();
        fs.set_sync(true);
        fs.device_mut().failure = Failure::During(at, count, usize::MAX);
        let made = fs.create(ROOT, b"file", File, 0, 0).is_ok();
        failed += usize::from(!made);
        let check = |fs: &Fs<Disk>| {
            for keep in [false, true] {
                let crashed = fs.device().clone().crash(|| keep);
                let mut fs = Fs::mount(crashed, 0).expect("mount");
                assert_clean(&mut fs, &when);
                let found = fs.lookup(ROOT, b"file").expect("lookup").is_some();
                assert_eq!(found, made, "{when}: whether the file is there");
            }
        };
        if !fs.is_dirty() {
            check(&fs);
        }
        let done = (0..=count).any(|_| fs.commit().is_ok());
        assert!(done, "{when}: no commit in the end");
        check(&fs);
    }
    assert!(failed > 10, "few operations failed: {failed}");
}

/// An operation that fails midway takes back its own changes and no others.
#[test]
fn a_failing_operation_leaves_the_transaction_alone() {
    let mut fs = fresh(200, 40);
    let file = create(&mut fs, ROOT, b"file", File);
    let left = fs.free_blocks().expect("count") as usize;
    write_all(&mut fs, file, 0, &pattern(1, (left - 2) * 1024)).expect("write");
    fs.checkpoint().expect("checkpoint");
    // The last block goes to this one's data.
    let last = create(&mut fs, ROOT, b"last", File);
    assert_eq!(fs.write(last, 0, b"x"), Ok(1));
    assert_eq!(fs.write(last, 0, b"abc"), Ok(3));
    let before = tree(&mut fs);
    assert_eq!(fs.create(ROOT, b"d", Directory, 0, 0), Err(Error::NoSpace));
    assert_eq!(fs.write(last, 1024, b"y"), Err(Error::Invalid));
    assert!(tree(&mut fs) == before, "the failing calls left a trace");
    assert_eq!(fs.write(last, 3, b"def"), Ok(3));
    assert_eq!(content(&mut fs, last), b"abcdef");
    fs.commit().expect("commit");
    let mut fs = Fs::mount(fs.into_device().crash(|| false), 0).expect("mount");
    assert_clean(&mut fs, "committed");
    assert_eq!(content(&mut fs, last), b"abcdef");
}

#[test]
fn many_operations_take_two_flushes() {
    let mut fs = start();
    for name in [&b"a"[..], b"b", b"c"] {
        let inum = create(&mut fs, ROOT, name, File);
        assert_eq!(fs.write(inum, 0, &pattern(1, 3000)), Ok(3000));
    }
    assert_eq!(fs.device().steps, 0, "the disk was asked before the commit");
    assert!(fs.is_uncommitted() && fs.is_dirty());
    // The first commit makes sure that the header is what mounting left.
    fs.device_mut().flush().expect("flush");
    fs.commit().expect("commit");
    create(&mut fs, ROOT, b"d", File);
    let before = fs.device().flushes;
    fs.commit().expect("commit");
    assert_eq!(fs.device().flushes - before, 2, "flushes of a commit");
    assert!(!fs.is_uncommitted() && fs.is_dirty());
    fs.checkpoint().expect("checkpoint");
    assert_eq!(
        fs.device().flushes - before,
        3,
        "flushes with the checkpoint"
    );
    assert!(!fs.is_dirty());
    let steps = fs.device().steps;
    fs.checkpoint().expect("checkpoint");
    assert_eq!(fs.device().steps, steps, "nothing was left to do");
}

/// What is written and removed before the commit does not go to the disk, however much it is.
#[test]
fn short_lived_files_fill_no_log() {
    let mut fs = fresh(200, 40);
    create(&mut fs, ROOT, b"warm", File);
    fs.checkpoint().expect("checkpoint");
    fs.device_mut().steps = 0;
    for _ in 0..100 {
        let inum = create(&mut fs, ROOT, b"short", File);
        assert_eq!(fs.write(inum, 0, &pattern(1, 16_384)), Ok(16_384));
        fs.unlink(ROOT, b"short").expect("unlink");
        fs.free(inum).expect("free");
    }
    assert_eq!(fs.device().steps, 0, "the disk was asked");
    fs.checkpoint().expect("checkpoint");
    let steps = fs.device().steps;
    assert!(steps < 20, "the last state took {steps} steps of the disk");
    assert_clean(&mut fs, "in the end");
}

/// Files with all levels of indirect blocks, cut off while they grow and while they shrink.
#[test]
fn a_crash_leaves_large_files_whole() {
    let options = FormatOptions {
        blocks: 1000,
        inodes: 40,
        ..FormatOptions::large()
    };
    let start = || Fs::format(Disk::new(1000), &options).expect("format");
    let size = 400 * 1024;
    let act = |fs: &mut Fs<Disk>| -> Result<(), Error> {
        let inum = fs.create(ROOT, b"large", File, 0, 0)?;
        write_all(fs, inum, 0, &pattern(3, size))?;
        fs.commit()?;
        fs.unlink(ROOT, b"large")?;
        fs.free(inum)?;
        let inum = fs.create(ROOT, b"again", File, 0, 0)?;
        write_all(fs, inum, 0, &pattern(9, size))?;
        fs.checkpoint()
    };
    let mut fs = start();
    let before = fs.device().steps;
    act(&mut fs).expect("a good disk");
    let steps = fs.device().steps - before;
    let mut random = Random::new(7);
    for stop in (0..steps).step_by(steps / 60) {
        let mut fs = start();
        let at = fs.device().steps + stop;
        fs.device_mut().failure = Failure::From(at);
        assert_eq!(act(&mut fs), Err(Error::Device));
        let crashed = fs.into_device().crash(|| random.below(2) == 0);
        let mut fs = Fs::mount(crashed, 0).expect("mount after the crash");
        assert_clean(&mut fs, "a large file");
        for (name, seed) in [(b"large", 3), (b"again", 9)] {
            if let Some(inum) = fs.lookup(ROOT, name).expect("lookup") {
                let found = content(&mut fs, inum);
                assert!(found == pattern(seed, found.len()), "stopped at {stop}");
            }
        }
    }
}
