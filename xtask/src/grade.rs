//! `grade`: grades a lab of the course. Each part runs a program in a guest of its own and looks
//! for the lines that the lab asks for. `ADD` adds the course's own programs, which replace
//! Pagoda's.

use crate::{
    build::{self, Guest},
    image,
    options::Options,
    qemu::{self, Console},
    resolver::Resolver,
    results::{Results, Target, Test, Verdict},
    run::{Followed, boot_args, follow, follow_until},
    session::{Session, Stderr},
    toolchain::Toolchain,
};
use anyhow::{Context, Result, bail};
use std::{
    fmt, fs,
    io::{self, Write},
    path::Path,
    time::{Duration, Instant},
};

/// QEMU's exit status after a kernel panic.
const PANICKED: u8 = 101;
/// Printed by init before it runs a program.
const BOOTED: &[u8] = b"init: starting sh";
/// Limit on a guest's output.
const MOST: usize = 4 << 20;

/// A program to run and its checks.
struct Part {
    program: &'static str,
    limit: Duration,
    /// Boot arguments for the kernel.
    boot: &'static str,
    checks: &'static [Check],
}

/// Points for a line of output.
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

/// The alloc lab precedes the lazy one: its tests expect `sbrk` to fail without memory.
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

/// Runs the lab's parts; returns 0 only for full points.
pub(crate) fn grade(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let named = options.rest.first().or(options.lab.as_ref());
    let (lab, parts) = match named.map(String::as_str) {
        Some("alloc") => ("alloc", ALLOC),
        Some("lazy") => ("lazy", LAZY),
        Some(other) => bail!("no lab {other:?}; there are alloc and lazy"),
        None => bail!("which lab? make grade LAB=alloc, or LAB=lazy"),
    };
    let target = options.out.as_deref().map(Target::new).transpose()?;
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let logs = toolchain.target_dir().join("grade");
    fs::create_dir_all(&logs)?;
    let start = Instant::now();
    let checks = parts.iter().flat_map(|part| part.checks);
    let root = || toolchain.root.display().to_string();
    let mut results = Results {
        lab: lab.to_owned(),
        tree: options.tree.clone().unwrap_or_else(root),
        tests: checks.map(Check::not_run).collect(),
        seconds: 0.0,
    };
    // After each part, to keep the points if grading is interrupted.
    let write = |results: &Results| target.iter().try_for_each(|target| target.write(results));
    write(&results)?;
    let mut done = 0;
    for part in parts {
        let log = logs.join(format!("{}.log", part.program));
        let tests = part.run(toolchain, options, &guest, &log)?;
        let end = done + tests.len();
        results.tests.splice(done..end, tests);
        done = end;
        results.seconds = start.elapsed().as_secs_f64();
        write(&results)?;
    }
    let (got, all) = results.score();
    say!("Score: {got}/{all}");
    Ok(u8::from(got != all))
}

impl Part {
    /// Runs the program, prints a line for it and for each check, and returns the results.
    fn run(
        &self,
        toolchain: &Toolchain,
        options: &Options,
        guest: &Guest,
        log: &Path,
    ) -> Result<Vec<Test>> {
        let start = Instant::now();
        let disk = image::disk(toolchain, guest, options.format, None, &options.add)?;
        let qemu = qemu::command(
            &guest.kernel,
            &disk,
            &options.hardware,
            &format!("{}{}", self.boot, boot_args(self.program)),
            Console::Stdio,
        )?;
        let session = Session::watched(qemu, guest, Stderr::Console)?;
        let (end, text) = self.watch(session, options.boot_timeout, &guest.kernel)?;
        fs::write(log, &text).with_context(|| log.display().to_string())?;
        let text = String::from_utf8_lossy(&text);

        let tests: Vec<Test> = self.checks.iter().map(|c| c.judge(&end, &text)).collect();
        let passed = |test: &Test| test.verdict == Verdict::Passed;
        let whole = tests.iter().all(passed);
        say!(
            "{}: {} ({:.1} s)",
            self.program,
            word(whole),
            start.elapsed().as_secs_f64()
        );
        for test in &tests {
            let (name, points) = (test.name, test.points);
            let got = if passed(test) { points } else { 0 };
            say!("{name}: {} ({got}/{points})", word(passed(test)));
        }
        if !whole {
            say!("    {end}; output: {}", log.display());
        }
        Ok(tests)
    }

    /// Runs it until it ends or exceeds its limits; returns its output.
    fn watch(&self, mut session: Session, boot: Duration, kernel: &Path) -> Result<(End, Vec<u8>)> {
        let mut text = Capped::default();
        let mut console = Resolver::new(&mut text, kernel);
        let end = match self.follow(&mut session, boot, &mut console) {
            Ok(end) => end,
            Err(_) if text.full => {
                session.kill()?;
                End::TooMuch
            }
            Err(error) => return Err(error),
        };
        Ok((end, text.bytes))
    }

    fn follow(
        &self,
        session: &mut Session,
        boot: Duration,
        text: &mut Resolver<&mut Capped>,
    ) -> Result<End> {
        match follow_until(session, boot, text, |text| text.sink().booted)? {
            Followed::Ended(status) => return Ok(End::Status(status)),
            Followed::TimeUp => {
                session.time_is_up(text)?;
                return Ok(End::NoPrompt(boot));
            }
            Followed::Enough => {}
        }
        let status = follow(session, self.limit, text)?;
        Ok(status.map_or(End::TimeUp(self.limit), End::Status))
    }
}

/// How a guest ended.
#[derive(Clone, Copy, Debug)]
enum End {
    Status(u8),
    /// It did not reach a program within this time.
    NoPrompt(Duration),
    TimeUp(Duration),
    TooMuch,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Status(PANICKED) => write!(f, "the kernel panicked"),
            End::Status(status) => write!(f, "exit status {status}"),
            End::NoPrompt(limit) => write!(f, "no prompt within {} s", limit.as_secs()),
            End::TimeUp(limit) => write!(f, "no end after {} s", limit.as_secs()),
            End::TooMuch => write!(f, "killed after more than {MOST} bytes of output"),
        }
    }
}

/// A writer with a size limit.
#[derive(Debug, Default)]
struct Capped {
    bytes: Vec<u8>,
    full: bool,
    booted: bool,
}

impl Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(MOST - self.bytes.len());
        self.full |= taken < bytes.len();
        let unseen = self.bytes.len().saturating_sub(BOOTED.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        let mut places = self.bytes[unseen..].windows(BOOTED.len());
        self.booted |= places.any(|place| place == BOOTED);
        // Writing 0 bytes is an error for `write_all`.
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Check {
    /// Whether the line was printed. Output before a panic or hang earns nothing.
    fn passed(&self, end: &End, console: &str) -> bool {
        let ended = matches!(end, End::Status(status) if *status != PANICKED);
        ended && console.lines().any(|line| line.trim() == self.line)
    }

    fn judge(&self, end: &End, console: &str) -> Test {
        let passed = self.passed(end, console);
        let output = if passed {
            String::new()
        } else {
            let wanted = format!("expected: the line {:?} in a run that ends", self.line);
            format!("{console}\n{wanted}\n{end}\n")
        };
        Test {
            name: self.name,
            points: self.points,
            verdict: if passed {
                Verdict::Passed
            } else {
                Verdict::Failed
            },
            output,
        }
    }

    fn not_run(&self) -> Test {
        Test {
            name: self.name,
            points: self.points,
            verdict: Verdict::NotRun,
            output: "not run".into(),
        }
    }
}

const fn word(passed: bool) -> &'static str {
    if passed { "OK" } else { "FAIL" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_whole_lines_of_a_run_that_ends_earn_points() {
        let check = check("lazy: map", 20, "test lazy alloc: OK");
        let good = "lazytests starting\r\ntest lazy alloc: OK\r\n";
        let done = End::Status(0);
        assert!(check.passed(&done, good));
        assert!(!check.passed(&End::Status(PANICKED), good), "after a panic");
        let late = End::TimeUp(Duration::from_secs(1));
        assert!(!check.passed(&late, good), "after the time was up");
        assert!(!check.passed(&End::TooMuch, good), "after too much");
        assert!(!check.passed(&done, "the test lazy alloc: OK\n"));
        assert!(!check.passed(&done, "test lazy alloc: FAILED\n"));
    }

    #[test]
    fn each_lab_is_worth_100_points() {
        for lab in [ALLOC, LAZY] {
            let checks = lab.iter().flat_map(|part| part.checks);
            assert_eq!(checks.map(|check| check.points).sum::<u32>(), 100);
        }
    }

    #[test]
    fn endless_output_is_stopped() {
        let part = Part {
            boot: "",
            program: "yes",
            limit: Duration::from_secs(3600),
            checks: &[],
        };
        // A host program in place of the guest.
        let yes = Session::start(Command::new("yes"), false, Stderr::Console).unwrap();
        let (end, text) = part.watch(yes, part.limit, Path::new("")).unwrap();
        assert!(matches!(end, End::TooMuch), "{end:?}");
        assert_eq!(text.len(), MOST);
    }

    #[test]
    fn a_failed_boot_takes_only_the_boot_timeout() {
        let part = Part {
            boot: "",
            program: "sh",
            limit: Duration::from_secs(3600),
            checks: &[],
        };
        let watch = |script: &str, boot| {
            let mut shell = Command::new("sh");
            shell.args(["-c", script]);
            let session = Session::start(shell, false, Stderr::Console).unwrap();
            part.watch(session, boot, Path::new("")).unwrap().0
        };
        let hangs = watch("echo a kernel; exec sleep 3600", Duration::from_millis(100));
        assert!(matches!(hangs, End::NoPrompt(_)), "{hangs:?}");
        let slowly = "printf 'init: '; sleep 0.1; echo starting sh; exit 7";
        let boots = watch(slowly, Duration::from_secs(3600));
        assert!(matches!(boots, End::Status(7)), "{boots:?}");
    }
}
