//! The course folder, as an instructor uses it: its test runner, some of its tests, and scripts
//! that only watch the console.

use super::{
    Bench, Check, Layer, Log, Outcome,
    ends::strike,
    scenarios::{finish_within, front, wanted},
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use std::{fs, process::Command, time::Duration};

/// Time limit, including the first build of the course's kernel.
const LIMIT: Duration = Duration::from_secs(300);
/// One test of each kind: an object, the panic, zeroed memory, fork.
const FEW: [&str; 4] = ["1", "9", "11", "26"];

pub(super) fn checks() -> Vec<Check> {
    let check = |name: &str, work: fn(&Bench, &mut Log) -> Result<Outcome>| {
        Check::new(name, Layer::Guest(LIMIT), work)
    };
    vec![
        check("course-runner", |bench, log| {
            script(bench, log, "tests/course-runner.sh")
        }),
        check("course-trees", |bench, log| {
            match missing(bench, log, &["course"])? {
                Some(why) => Ok(Outcome::Skipped(why)),
                None => script(bench, log, "tests/course-trees.sh"),
            }
        }),
        check("course-marking", |bench, log| {
            match missing(bench, log, &["course", "marking"])? {
                Some(why) => Ok(Outcome::Skipped(why)),
                None => script(bench, log, "tests/course-marking.sh"),
            }
        }),
        // One check: both build in the same directory.
        check("course", |bench, log| {
            match missing(bench, log, &["c", "course"])? {
                Some(why) => Ok(Outcome::Skipped(why)),
                None => {
                    few_tests(bench, log)?;
                    plain_script(bench, log)?;
                    without_runner(bench, log)?;
                    wrong_output(bench, log)?;
                    Ok(Outcome::Passed(FEW.len() + 4))
                }
            }
        }),
    ]
}

/// Tests of the scripts themselves; they need no guest.
fn script(bench: &Bench, log: &mut Log, tests: &str) -> Result<Outcome> {
    let command = front(bench, tests, &[], &[]);
    let (status, output) = finish_within(LIMIT, log, command, None)?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    let passed = output.lines().filter(|line| line.starts_with("ok: "));
    Ok(Outcome::Passed(passed.count()))
}

/// The packages that cannot be installed, if any.
fn missing(bench: &Bench, log: &mut Log, parts: &[&str]) -> Result<Option<String>> {
    for what in parts {
        let setup = front(bench, "scripts/setup", &[what], &[]);
        if finish_within(LIMIT, log, setup, None)?.0 != 0 {
            return Ok(Some(format!("scripts/setup {what} fails")));
        }
    }
    Ok(None)
}

fn test_mmap(bench: &Bench, arguments: &[&str]) -> Command {
    front(bench, "course/test-mmap.sh", arguments, &[])
}

fn few_tests(bench: &Bench, log: &mut Log) -> Result<()> {
    let mut arguments = vec!["-c", "-v", "-j2"];
    FEW.iter().for_each(|test| arguments.extend(["-t", test]));
    let (status, output) = finish_within(LIMIT, log, test_mmap(bench, &arguments), None)?;
    wanted(&output, "4 of 4 tests passed")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    Ok(())
}

/// In a folder of hidden tests, wrong output is detected and both files are named; the disk built
/// for other tests is not used.
fn wrong_output(bench: &Bench, log: &mut Log) -> Result<()> {
    let tests = bench.dir.join("wrong-output");
    fs::create_dir_all(&tests)?;
    let from = bench.toolchain.root.join("course/tests");
    for file in ["pre", "1.run", "test_1.c", "check.h"] {
        fs::copy(from.join(file), tests.join(file))?;
    }
    fs::write(tests.join("1.out"), "XV6_TEST_OUTPUT another text\n")?;
    let tests = tests.to_str().context("a path that is not UTF-8")?;
    let (status, output) = finish_within(LIMIT, log, test_mmap(bench, &["-s", "-d", tests]), None)?;
    wanted(&output, &format!("not of {tests} in state"))?;
    ensure!(status == 2, "exit status {status}, wanted 2");
    let (status, output) = finish_within(LIMIT, log, test_mmap(bench, &["-d", tests]), None)?;
    wanted(&output, "test 1: FAILED")?;
    let line = "1.out:1: XV6_TEST_OUTPUT";
    wanted(&output, &format!("expected: {tests}/{line} another text"))?;
    wanted(&output, &format!("tests-out/{line} ok: one object"))?;
    ensure!(status == 1, "exit status {status}, wanted 1");
    Ok(())
}

/// When the runner is killed, its test and guest end too.
fn without_runner(bench: &Bench, log: &mut Log) -> Result<()> {
    for signal in [Signal::HUP, Signal::KILL] {
        strike(log, test_mmap(bench, &["-s", "-t1"]), "bash", signal)?;
    }
    Ok(())
}

/// Lines end as on xv6's console, and a panicked machine waits to be killed.
fn plain_script(bench: &Bench, log: &mut Log) -> Result<()> {
    let plain = bench.toolchain.root.join("tests/course-plain.exp");
    for (program, shows) in [
        ("test_1", "$ test_1\r\nXV6_TEST_OUTPUT ok: one object\r\n$ "),
        ("test_9", "bytes asked, at most 4096\r\n"),
    ] {
        let mut command = Command::new(&plain);
        command
            .args(["Makefile.test", program])
            .current_dir(bench.toolchain.root.join("course/src"));
        let (status, output) = finish_within(LIMIT, log, command, None)?;
        wanted(&output, shows)?;
        wanted(&output, "QEMU: Terminated")?;
        ensure!(status == 0, "{program}: exit status {status}, wanted 0");
    }
    Ok(())
}
