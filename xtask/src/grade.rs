//! `grade`: what a lab of the course asks for, with points. Each part runs a program in a guest of its
//! own and looks for the lines that the lab's text shows. `ADD` brings the course's own programs, which
//! then take the places of Pagoda's.

use crate::{
    build::{self, Guest},
    image,
    options::Options,
    qemu::{self, Console},
    run::{boot_args, follow},
    session::{Session, Stderr},
    toolchain::Toolchain,
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// QEMU's exit status after a panic of the kernel.
const PANICKED: u8 = 101;

/// A program to run and what to look for.
struct Part {
    program: &'static str,
    limit: Duration,
    /// Boot arguments for the kernel.
    boot: &'static str,
    checks: &'static [Check],
}

/// So many points for a line.
struct Check {
    name: &'static str,
    points: u32,
    line: &'static str,
}

const fn check(name: &'static str, points: u32, line: &'static str) -> Check {
    Check { name, points, line }
}

const ALLOC: &[Part] = &[
    Part {
        program: "alloctest",
        limit: Duration::from_secs(240),
        boot: STRICT,
        checks: &[
            check("alloctest: filetest", 30, "filetest: OK"),
            check("alloctest: memtest", 30, "memtest: OK"),
        ],
    },
    Part {
        boot: STRICT,
        ..USERTESTS
    },
];

/// The alloc lab comes before the lazy one: its tests want `sbrk` to fail where there is no memory.
const STRICT: &str = "commit=strict ";

const LAZY: &[Part] = &[
    Part {
        program: "lazytests",
        limit: Duration::from_secs(240),
        boot: "",
        checks: &[
            check("lazy: map", 20, "test lazy alloc: OK"),
            check("lazy: unmap", 20, "test lazy unmap: OK"),
            check("lazy: out of memory", 20, "test out of memory: OK"),
        ],
    },
    USERTESTS,
];

const USERTESTS: Part = Part {
    program: "usertests",
    limit: Duration::from_secs(900),
    boot: "",
    checks: &[check("usertests: all", 40, "ALL TESTS PASSED")],
};

/// Runs the lab's parts; 0 only for all of the points.
pub(crate) fn grade(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let named = options.rest.first().or(options.lab.as_ref());
    let parts = match named.map(String::as_str) {
        Some("alloc") => ALLOC,
        Some("lazy") => LAZY,
        Some(other) => bail!("there is no lab {other:?}; there are alloc and lazy"),
        None => bail!("which lab? make grade LAB=alloc, or LAB=lazy"),
    };
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let logs = toolchain.target_dir().join("grade");
    fs::create_dir_all(&logs)?;
    let (mut got, mut all) = (0, 0);
    for part in parts {
        let log = logs.join(format!("{}.log", part.program));
        let score = part.run(toolchain, options, &guest, &log)?;
        got += score;
        all += part.points();
    }
    println!("Score: {got}/{all}");
    Ok(u8::from(got != all))
}

impl Part {
    fn points(&self) -> u32 {
        self.checks.iter().map(|check| check.points).sum()
    }

    /// Runs the program, prints a line for it and one for each check, and gives the points.
    fn run(
        &self,
        toolchain: &Toolchain,
        options: &Options,
        guest: &Guest,
        log: &Path,
    ) -> Result<u32> {
        let start = Instant::now();
        let disk = image::disk(toolchain, guest, None, &options.add)?;
        let qemu = qemu::command(
            &guest.kernel,
            &disk,
            &options.hardware,
            &format!("{}{}", self.boot, boot_args(self.program)),
            Console::Stdio,
        )?;
        let mut session = Session::watched(qemu, guest, Stderr::Console)?;
        let mut console = Vec::new();
        let status = follow(&mut session, self.limit, &mut console)?;
        fs::write(log, &console).with_context(|| log.display().to_string())?;
        let console = String::from_utf8_lossy(&console);
        let passed = |check: &Check| check.passed(status, &console);
        let good = self.checks.iter().filter(|check| passed(check));
        let points = good.map(|check| check.points).sum();

        let whole = points == self.points();
        println!(
            "{}: {} ({:.1} s)",
            self.program,
            word(whole),
            start.elapsed().as_secs_f64()
        );
        for check in self.checks {
            let passed = passed(check);
            let got = if passed { check.points } else { 0 };
            println!("{}: {} ({got}/{})", check.name, word(passed), check.points);
        }
        if !whole {
            let end = match status {
                Some(status) => format!("it ended with status {status}"),
                None => format!("no end after {} s", self.limit.as_secs()),
            };
            println!("    {end}; what it printed is in {}", log.display());
        }
        Ok(points)
    }
}

impl Check {
    /// Whether the line is there. What a kernel prints before it panics or hangs earns nothing.
    fn passed(&self, status: Option<u8>, console: &str) -> bool {
        let ended = status.is_some_and(|status| status != PANICKED);
        ended && console.lines().any(|line| line.trim() == self.line)
    }
}

const fn word(passed: bool) -> &'static str {
    if passed { "OK" } else { "FAIL" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_for_whole_lines_of_a_run_that_ends() {
        let check = check("lazy: map", 20, "test lazy alloc: OK");
        let good = "lazytests starting\r\ntest lazy alloc: OK\r\n";
        assert!(check.passed(Some(0), good));
        assert!(!check.passed(Some(PANICKED), good), "after a panic");
        assert!(!check.passed(None, good), "after the time was up");
        assert!(!check.passed(Some(0), "the test lazy alloc: OK\n"));
        assert!(!check.passed(Some(0), "test lazy alloc: FAILED\n"));
    }

    #[test]
    fn each_lab_is_worth_100_points() {
        for lab in [ALLOC, LAZY] {
            assert_eq!(lab.iter().map(Part::points).sum::<u32>(), 100);
        }
    }
}
