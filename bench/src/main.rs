//! Compares the cost of Pagoda's and other allocators in instructions, in a reproducible table.
//! Exits with 1 if Pagoda misses a target.
//!
//! `bench-host` prints the table, `bench-host NAME…` that of the named allocators, `--help` the
//! names; `bench-host run TRACE NAME` runs one trace, for callgrind or a debugger.

mod callgrind;
mod frame;
mod frame_traces;
mod knr;
mod measure;
mod memory;
mod object;
mod object_traces;
mod report;
mod table;

use anyhow::{Result, bail};
use memory::{Alone, Locked, Spin};
use report::Report;
use std::process::ExitCode;
use std::sync::Mutex;
use table::Reports;

const FRAME_NAMES: [&str; 5] = [
    "Pagoda",
    "Pagoda+spin-lock",
    "buddy_system_allocator",
    "buddy-slab-allocator",
    "bitmap-allocator",
];

const OBJECT_NAMES: [&str; 9] = [
    "Pagoda",
    "Pagoda+spin-lock",
    "buddy_system_allocator",
    "buddy-slab-allocator",
    "talc",
    "rlsf",
    "linked_list_allocator",
    "mimalloc",
    "Kernighan-Ritchie",
];

/// Traces, and whether their instructions are counted.
const FRAME_TRACES: [(&str, bool); 6] = [
    ("warm", true),
    ("whole", true),
    ("fill", true),
    ("mixed", true),
    ("even", true),
    ("large", false),
];

const OBJECT_TRACES: [(&str, bool); 6] = [
    ("pair", true),
    ("batch", true),
    ("churn", true),
    ("powers", false),
    ("held", false),
    ("page", false),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words[..] {
        ["run", trace, name] => run_one(trace, name).map(|()| true),
        ["-h" | "--help"] => {
            println!("usage: scripts/bench-host [NAME...]\n{}", names());
            Ok(true)
        }
        _ => print_table(&words),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench-host: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The names of all allocators.
fn names() -> String {
    let list = |names: &[&str]| names.join(" ");
    format!(
        "page frames: {}\nobjects:     {}",
        list(&FRAME_NAMES),
        list(&OBJECT_NAMES)
    )
}

/// Checks the names of allocators.
fn check_names(wanted: &[&str]) -> Result<()> {
    let is_known = |name: &&str| FRAME_NAMES.contains(name) || OBJECT_NAMES.contains(name);
    match wanted.iter().find(|name| !is_known(name)) {
        Some(name) => bail!("no allocator {name}; there are\n{}", names()),
        None => Ok(()),
    }
}

fn run_one(trace: &str, name: &str) -> Result<()> {
    let mut report = Report::default();
    if !run_frames(trace, name, &mut report) && !run_objects(trace, name, &mut report) {
        bail!("no trace {trace} with {name}");
    }
    measure::report_calls(&mut report);
    report.print();
    Ok(())
}

fn run_frames(trace: &str, name: &str, report: &mut Report) -> bool {
    use frame_traces::run;
    match name {
        "Pagoda" => run(trace, &frame::Pagoda::<Alone>::new(), report),
        "Pagoda+spin-lock" => run(trace, &frame::Pagoda::<Spin>::new(), report),
        "buddy_system_allocator" => run(trace, &frame::BuddySystem::new(), report),
        "buddy-slab-allocator" => run(trace, &frame::BuddySlab::new(), report),
        "bitmap-allocator" => run(trace, &frame::Bitmap::new(), report),
        _ => false,
    }
}

fn run_objects(trace: &str, name: &str, report: &mut Report) -> bool {
    use object_traces::run;
    match name {
        "Pagoda" => run(trace, &object::Pagoda::<Alone>::new(), report),
        "Pagoda+spin-lock" => run(trace, &object::Pagoda::<Spin>::new(), report),
        "buddy_system_allocator" => run(trace, &object::BuddySystem::new(), report),
        "buddy-slab-allocator" => run(trace, &object::BuddySlab::new(), report),
        "talc" => run(trace, &object::Talc::new(), report),
        "rlsf" => run(trace, &object::Tlsf::new(), report),
        "linked_list_allocator" => run(trace, &object::LinkedList::new(), report),
        "mimalloc" => run(trace, &object::Mimalloc, report),
        "Kernighan-Ritchie" => {
            let allocator = Locked::new(knr::KernighanRitchie::new());
            run(trace, &allocator, report)
        }
        _ => false,
    }
}

/// A trace with an allocator, and whether it is an object allocator.
struct Job {
    objects: bool,
    trace: &'static str,
    counted: bool,
    name: &'static str,
}

fn print_table(only: &[&str]) -> Result<bool> {
    check_names(only)?;
    let wanted = |name: &&&str| only.is_empty() || only.contains(*name);
    let mut jobs = Vec::new();
    for (objects, names, traces) in [
        (false, &FRAME_NAMES[..], &FRAME_TRACES[..]),
        (true, &OBJECT_NAMES[..], &OBJECT_TRACES[..]),
    ] {
        for &name in names.iter().filter(wanted) {
            let job = |&(trace, counted)| Job {
                objects,
                trace,
                counted,
                name,
            };
            jobs.extend(traces.iter().map(job));
        }
    }
    let (frames, objects) = run_all(jobs)?;
    let good = table::print(&FRAME_NAMES, &OBJECT_NAMES, &frames, &objects);
    Ok(good || !(only.is_empty() || only.contains(&"Pagoda")))
}

/// Runs the jobs, one per CPU at a time.
fn run_all(jobs: Vec<Job>) -> Result<(Reports, Reports)> {
    let left = Mutex::new(jobs.into_iter());
    let done = Mutex::new((Reports::new(), Reports::new()));
    let next = || left.lock().ok()?.next();
    let work = || -> Result<()> {
        while let Some(job) = next() {
            let report = callgrind::run(job.trace, job.name, job.counted)?;
            if let Ok(mut done) = done.lock() {
                let reports = if job.objects {
                    &mut done.1
                } else {
                    &mut done.0
                };
                reports
                    .entry(job.name)
                    .or_default()
                    .extend(job.trace, report);
            }
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let results = workers.into_iter().map(|worker| match worker.join() {
            Ok(result) => result,
            Err(_) => bail!("a worker panicked"),
        });
        results.collect::<Result<Vec<()>>>()
    })?;
    Ok(done.into_inner().unwrap_or_default())
}
