//! Checks without a guest: format, lints, the crates' tests, builds.

use super::{Bench, Check, Layer, Log, Outcome};
use crate::{floors, options::Profile, toolchain::GUEST_PACKAGES};
use anyhow::{Result, bail, ensure};
use std::process::Command;

/// Random sequences for the model tests of `vm`; plain `cargo test` runs fewer.
const VM_SEQUENCES: &str = "10000";

pub(super) fn checks() -> Vec<Check> {
    let mut checks = vec![
        Check::new("fmt", Layer::Host, |bench, log| {
            let mut cargo = bench.toolchain.cargo("fmt");
            tool(bench, log, "fmt", cargo.args(["--all", "--check"]))
        }),
        Check::new("floors", Layer::Host, |bench, _| {
            let problems = floors::check(&bench.toolchain.root)?;
            ensure!(problems.is_empty(), "{}", problems.join("\n"));
            Ok(Outcome::Passed(1))
        }),
        Check::new("clippy-host", Layer::Host, |bench, log| {
            let mut cargo = bench.toolchain.host_cargo("clippy");
            tool(
                bench,
                log,
                "clippy",
                cargo.args(["--all-targets", "--", "-D", "warnings"]),
            )
        }),
    ];
    for profile in [Profile::Release, Profile::Checked] {
        checks.push(Check::new(
            format!("clippy-guest-{}", profile.name()),
            Layer::Host,
            move |bench, log| clippy_guest(bench, log, profile),
        ));
    }
    checks.push(Check::new("host-tests", Layer::Host, host_tests));
    checks.push(Check::new("kmalloc-debug", Layer::Host, |bench, log| {
        let mut cargo = bench.toolchain.cargo("test");
        cargo.args(["-p", "kmalloc", "--features", "debug"]);
        cargo_tests(log, &mut cargo)
    }));
    for profile in [Profile::Release, Profile::Checked] {
        checks.push(Check::new(
            format!("build-{}", profile.name()),
            Layer::Host,
            move |bench, _| bench.guest(profile).map(|_| Outcome::Passed(1)),
        ));
    }
    checks
}

/// Runs an optional cargo subcommand.
fn tool(bench: &Bench, log: &mut Log, name: &str, command: &mut Command) -> Result<Outcome> {
    if !bench.toolchain.has(name) {
        return Ok(Outcome::Skipped(format!(
            "this toolchain has no cargo {name}"
        )));
    }
    match log.run(command)? {
        true => Ok(Outcome::Passed(1)),
        false => bail!("cargo {name} failed"),
    }
}

fn clippy_guest(bench: &Bench, log: &mut Log, profile: Profile) -> Result<Outcome> {
    let mut cargo = bench.toolchain.guest_cargo("clippy");
    for package in GUEST_PACKAGES {
        cargo.args(["-p", package]);
    }
    cargo.args(["--profile", profile.name(), "--", "-D", "warnings"]);
    tool(bench, log, "clippy", &mut cargo)
}

fn host_tests(bench: &Bench, log: &mut Log) -> Result<Outcome> {
    let mut cargo = bench.toolchain.host_cargo("test");
    if std::env::var_os("VM_SEQUENCES").is_none() {
        cargo.env("VM_SEQUENCES", VM_SEQUENCES);
    }
    cargo_tests(log, &mut cargo)
}

fn cargo_tests(log: &mut Log, cargo: &mut Command) -> Result<Outcome> {
    let good = log.run(cargo.arg("--no-fail-fast"))?;
    match (good, count(&log.text())) {
        (_, (passed, failed @ 1..)) => Ok(Outcome::Mixed(passed, failed)),
        (true, (passed @ 1.., 0)) => Ok(Outcome::Passed(passed)),
        (true, _) => bail!("there were no tests"),
        (false, _) => bail!("cargo test failed"),
    }
}

/// Counts passed and failed tests by the lines `test result: ok. 8 passed; 0 failed; …`.
fn count(output: &str) -> (usize, usize) {
    let mut sums = (0, 0);
    for line in output
        .lines()
        .filter(|line| line.starts_with("test result:"))
    {
        let words: Vec<&str> = line.split([' ', ';']).collect();
        for pair in words.windows(2) {
            let number = pair[0].parse().unwrap_or(0);
            match pair[1] {
                "passed" => sums.0 += number,
                "failed" => sums.1 += number,
                _ => {}
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn results_are_added_up() {
        let output = "\
running 3 tests
test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test other::test ... FAILED
test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out
";
        assert_eq!(count(output), (13, 2));
        assert_eq!(count("error: could not compile"), (0, 0));
    }
}
