//! `test`: all checks, in layers: sources, host, guest. Prints a line for each and a summary.

mod c_sources;
mod counting;
mod course;
mod debugger;
mod endless;
mod ends;
mod foreign;
mod guest;
mod host;
mod list;
mod power;
mod prompt;
mod report;
mod scenarios;
mod settings;

use crate::{
    build::{self, Guest},
    options::{Options, Profile},
    toolchain::Toolchain,
};
use anyhow::{Result, anyhow, ensure};
use report::{Log, Report};
use std::{
    fs,
    path::PathBuf,
    sync::{Mutex, OnceLock, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

/// The result of a check.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Passed, with a number of tests.
    Passed(usize),
    /// Numbers of tests passed and failed.
    Mixed(usize, usize),
    /// Skipped, with the reason.
    Skipped(String),
}

/// When a check may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    /// Alone, in order: cargo uses the whole machine.
    Host,
    /// Concurrently; with its time limit, for scheduling.
    Guest(Duration),
}

/// The body of a check. An error is a failure.
type Work = Box<dyn Fn(&Bench, &mut Log) -> Result<Outcome> + Send + Sync>;

/// A check.
struct Check {
    name: String,
    layer: Layer,
    work: Work,
}

impl Check {
    fn new<F>(name: impl Into<String>, layer: Layer, work: F) -> Check
    where
        F: Fn(&Bench, &mut Log) -> Result<Outcome> + Send + Sync + 'static,
    {
        Check {
            name: name.into(),
            layer,
            work: Box::new(work),
        }
    }
}

/// Shared by all checks.
struct Bench {
    toolchain: Toolchain,
    /// Directory for logs and other files.
    dir: PathBuf,
    release: OnceLock<Result<Guest, String>>,
    checked: OnceLock<Result<Guest, String>>,
}

impl Bench {
    /// The guest in this profile, built on first use.
    fn guest(&self, profile: Profile) -> Result<&Guest> {
        let slot = match profile {
            Profile::Release => &self.release,
            Profile::Checked => &self.checked,
        };
        let built = slot.get_or_init(|| {
            build::guest(&self.toolchain, profile, &[]).map_err(|error| format!("{error:#}"))
        });
        built
            .as_ref()
            .map_err(|error| anyhow!("the {} guest: {error}", profile.name()))
    }

    /// Writes a file for a check to use.
    fn file(&self, name: &str, contents: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, contents)?;
        Ok(path)
    }
}

/// Runs the checks whose names contain one of the given words, or all.
pub(crate) fn test(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let mut checks = host::checks();
    checks.extend(list::checks(&toolchain.root.join("tests/guest.list"))?);
    checks.extend(scenarios::checks());
    checks.extend(endless::checks());
    checks.extend(ends::checks());
    checks.extend(counting::checks());
    checks.extend(settings::checks());
    checks.extend(prompt::checks());
    checks.extend(foreign::checks());
    checks.extend(c_sources::checks());
    checks.extend(debugger::checks());
    checks.extend(power::checks());
    checks.extend(course::checks());
    let wanted = |name: &str| {
        options.rest.is_empty() || options.rest.iter().any(|word| name.contains(word.as_str()))
    };
    checks.retain(|check| wanted(&check.name));
    ensure!(
        !checks.is_empty(),
        "no such check; `xtask test --list` lists them"
    );
    if options.list {
        checks.iter().for_each(|check| say!("{}", check.name));
        return Ok(0);
    }

    let dir = toolchain.target_dir().join("test-logs");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let bench = Bench {
        toolchain: toolchain.clone(),
        dir,
        release: OnceLock::new(),
        checked: OnceLock::new(),
    };
    let jobs = options.jobs.unwrap_or_else(|| {
        thread::available_parallelism().map_or(1, |cores| cores.get().clamp(1, 4))
    });
    let (host, guest) = checks
        .into_iter()
        .partition(|check| check.layer == Layer::Host);
    let mut report = Report::new();
    run_all(&bench, host, 1, &mut report)?;
    if !guest.is_empty() {
        // Build before any check's time limit starts; a check reports a failed build itself.
        let _ = (bench.guest(Profile::Release), bench.guest(Profile::Checked));
    }
    run_all(&bench, guest, jobs.max(1), &mut report)?;
    Ok(report.close())
}

/// Runs the checks, `jobs` at a time.
fn run_all(bench: &Bench, mut checks: Vec<Check>, jobs: usize, report: &mut Report) -> Result<()> {
    // Taken from the end: the longest start first.
    checks.reverse();
    checks.sort_by_key(|check| match check.layer {
        Layer::Host => Duration::ZERO,
        Layer::Guest(limit) => limit,
    });
    let queue = Mutex::new(checks);
    let take = || queue.lock().ok().and_then(|mut queue| queue.pop());
    let (sender, results) = channel();
    thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = sender.clone();
            scope.spawn(move || {
                while let Some(check) = take() {
                    let start = Instant::now();
                    let log = Log::create(&bench.dir, &check.name);
                    let (log, outcome) = match log {
                        Ok(mut log) => {
                            let outcome = (check.work)(bench, &mut log);
                            (Some(log), outcome)
                        }
                        Err(error) => (None, Err(error)),
                    };
                    let _ = sender.send((check.name, start.elapsed(), log, outcome));
                }
            });
        }
        drop(sender);
        for (name, took, log, outcome) in results {
            report.add(&name, took, log.as_ref(), outcome);
        }
    });
    Ok(())
}
