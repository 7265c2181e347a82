//! The report of the checks, and their logs.

use super::Outcome;
use anyhow::{Context, Result};
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

/// Lines shown of a failed check's log.
const TAIL: usize = 30;

/// Lines of a failure repeated at the end.
const LAST: usize = 5;

/// The output of one check.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    pub(super) fn create(dir: &Path, name: &str) -> Result<Log> {
        let path = dir
            .join(name.replace(['/', ' '], "-"))
            .with_extension("log");
        // Append mode, since children write to it too.
        let file = File::options().create(true).append(true).open(&path);
        let file = file.with_context(|| path.display().to_string())?;
        Ok(Log { path, file })
    }

    /// Runs the command with output to the log; returns whether it succeeded.
    pub(super) fn run(&mut self, command: &mut Command) -> Result<bool> {
        writeln!(self, "+ {command:?}")?;
        command
            .stdin(Stdio::null())
            .stdout(self.file.try_clone()?)
            .stderr(self.file.try_clone()?);
        Ok(command.status()?.success())
    }

    /// The contents.
    pub(super) fn text(&self) -> String {
        let bytes = std::fs::read(&self.path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The count.
#[derive(Debug)]
pub(super) struct Report {
    passed: usize,
    failed: usize,
    skipped: usize,
    /// Each failed check by its name, and what was wrong.
    failures: Vec<String>,
}

impl Report {
    pub(super) fn new() -> Report {
        Report {
            passed: 0,
            failed: 0,
            skipped: 0,
            failures: Vec::new(),
        }
    }

    /// Counts a check and prints its line, and the end of the log if it failed.
    pub(super) fn add(
        &mut self,
        name: &str,
        took: Duration,
        log: Option<&Log>,
        outcome: Result<Outcome>,
    ) {
        let seconds = took.as_secs_f32();
        let failure = match outcome {
            Ok(Outcome::Passed(count)) => {
                self.passed += count;
                let tests = if count == 1 {
                    String::new()
                } else {
                    format!("  {count} tests")
                };
                say!("{name:<26} OK      {seconds:7.1} s{tests}");
                return;
            }
            Ok(Outcome::Skipped(why)) => {
                self.skipped += 1;
                say!("{name:<26} skipped: {why}");
                return;
            }
            Ok(Outcome::Mixed(passed, failed)) => {
                self.passed += passed;
                self.failed += failed;
                format!("{failed} of {} tests failed", passed + failed)
            }
            Err(error) => {
                self.failed += 1;
                format!("{error:#}")
            }
        };
        say!("{name:<26} FAILED  {seconds:7.1} s  {failure}");
        let mut reason: String = failure
            .lines()
            .take(LAST)
            .collect::<Vec<_>>()
            .join("\n    | ");
        if let Some(log) = log {
            let text = log.text();
            let lines: Vec<&str> = text.lines().collect();
            for line in &lines[lines.len().saturating_sub(TAIL)..] {
                say!("    | {}", line.trim_end());
            }
            say!("    full log: {}", log.path.display());
            let last: Vec<&str> = lines.iter().rev().take(LAST).copied().collect();
            for line in last.iter().rev() {
                reason += &format!("\n    | {}", line.trim_end());
            }
        }
        self.failures.push(format!("{name}: {reason}"));
    }

    /// Prints the failures again, for logs cut to their end, and the summary; returns the exit status.
    pub(super) fn close(self) -> u8 {
        for failure in &self.failures {
            say!("FAILED {failure}");
        }
        let skipped = match self.skipped {
            0 => String::new(),
            count => format!(", {count} skipped"),
        };
        say!("{} passed, {} failed{skipped}", self.passed, self.failed);
        u8::from(self.failed > 0)
    }
}
