//! The table, and Pagoda's targets.

use crate::report::Report;
use std::collections::BTreeMap;

/// Reports by allocator, with values named `trace.value`.
pub type Reports = BTreeMap<&'static str, Report>;

/// A column: its head, and its value from a report.
struct Column(&'static str, fn(&Report) -> Option<String>);

fn pair(report: &Report, trace: &str) -> Option<String> {
    let alloc = report.get(&format!("{trace}.alloc"))?;
    let free = report.get(&format!("{trace}.free"))?;
    Some(format!("{alloc:.0}/{free:.0}"))
}

fn number(report: &Report, name: &str, digits: usize) -> Option<String> {
    Some(format!("{:.digits$}", report.get(name)?))
}

const FRAMES: [Column; 9] = [
    Column("warm", |r| pair(r, "warm")),
    Column("all free", |r| pair(r, "whole")),
    Column("fill+free", |r| pair(r, "fill")),
    Column("D1", |r| number(r, "fill.misses", 2)),
    Column("orders 0-9", |r| pair(r, "mixed")),
    Column("evenly", |r| pair(r, "even")),
    Column("failed", |r| {
        Some(format!(
            "{}",
            r.get("mixed.failed")? + r.get("even.failed")?
        ))
    }),
    Column("2 MiB %", |r| number(r, "large.large", 1)),
    Column("bytes", |r| number(r, "fill.metadata", 2)),
];

const OBJECTS: [Column; 9] = [
    Column("64 B", |r| pair(r, "pair")),
    Column("256x64 B", |r| pair(r, "batch")),
    Column("churn", |r| pair(r, "churn")),
    Column("D1", |r| number(r, "churn.misses", 2)),
    Column("used %", |r| number(r, "churn.uniform", 1)),
    Column("powers %", |r| number(r, "powers.powers", 1)),
    Column("held %", |r| number(r, "held.held", 1)),
    Column("drained", |r| number(r, "held.drained", 0)),
    Column("4096 B", |r| number(r, "page.page", 2)),
];

const HEAD: &str = "\
Instructions as alloc/free, counted by callgrind inside the two calls. D1: misses of a simulated
first-level data cache (32 KiB, 8 ways) a pair. No allocator pays for locks, but Pagoda in the line
that says so. Every wrong free is noticed by Pagoda; by bitmap-allocator, one of frames that are free.
";

/// A target for Pagoda.
struct Target {
    what: &'static str,
    is: fn(&Report) -> Option<f64>,
    bound: Bound,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

fn sum(report: &Report, trace: &str) -> Option<f64> {
    Some(report.get(&format!("{trace}.alloc"))? + report.get(&format!("{trace}.free"))?)
}

const fn most(what: &'static str, bound: f64, is: fn(&Report) -> Option<f64>) -> Target {
    let bound = Bound::AtMost(bound);
    Target { what, is, bound }
}

const fn least(what: &'static str, bound: f64, is: fn(&Report) -> Option<f64>) -> Target {
    let bound = Bound::AtLeast(bound);
    Target { what, is, bound }
}

const TARGETS: [Target; 15] = [
    most("frame pair, warm, with CPU cache", 60.0, |r| sum(r, "warm")),
    most(
        "frame pair, all memory free, without CPU cache",
        160.0,
        |r| sum(r, "whole"),
    ),
    most("fill, then free in random order, a frame", 145.0, |r| {
        sum(r, "fill")
    }),
    most("the same, first-level misses", 0.5, |r| {
        r.get("fill.misses")
    }),
    most("mixed orders 0 to 9, pair", 155.0, |r| sum(r, "mixed")),
    most("mixed orders 0 to 9, failed allocations", 0.0, |r| {
        r.get("mixed.failed")
    }),
    least("free memory back as 2 MiB blocks, %", 90.0, |r| {
        r.get("large.large")
    }),
    most(
        "records without reference counts, bytes a frame",
        1.2,
        |r| r.get("fill.metadata"),
    ),
    most("object pair of 64 B", 75.0, |r| sum(r, "pair")),
    most("object churn, pair", 95.0, |r| sum(r, "churn")),
    least("memory used, uniform sizes, %", 83.0, |r| {
        r.get("churn.uniform")
    }),
    least("memory used, powers of two, %", 96.0, |r| {
        r.get("powers.powers")
    }),
    most("pages held after 90 % is freed, % of the peak", 30.0, |r| {
        r.get("held.held")
    }),
    most(
        "pages held after all is freed and drained",
        kmalloc::CLASSES as f64,
        |r| r.get("held.drained"),
    ),
    most("pages for an object of 4096 bytes", 1.0, |r| {
        r.get("page.page")
    }),
];

fn print_part(head: &str, columns: &[Column], names: &[&str], reports: &Reports) {
    print!("{head:24}");
    columns
        .iter()
        .for_each(|column| print!(" {:>12}", column.0));
    println!();
    for &name in names {
        let Some(report) = reports.get(name) else {
            continue;
        };
        print!("{name:24}");
        for Column(_, show) in columns {
            print!(" {:>12}", show(report).unwrap_or("-".into()));
        }
        println!();
    }
    println!();
}

/// Prints everything; returns whether all targets are met.
pub fn print(
    frames: &[&str],
    objects: &[&str],
    frame_reports: &Reports,
    object_reports: &Reports,
) -> bool {
    println!("{HEAD}");
    print_part("page frames", &FRAMES, frames, frame_reports);
    print_part("objects", &OBJECTS, objects, object_reports);
    println!(
        "{:52} {:>10} {:>10}",
        "Pagoda's targets", "bound", "measured"
    );
    let mut all = true;
    for target in &TARGETS {
        let of = |reports: &Reports| reports.get("Pagoda").and_then(target.is);
        let (bound, met) = match (
            target.bound_text(),
            of(frame_reports).or(of(object_reports)),
        ) {
            (bound, None) => (bound, None),
            (bound, Some(value)) => (bound, Some((value, target.is_met(value)))),
        };
        let (value, verdict) = match met {
            None => ("-".into(), "not measured"),
            Some((value, true)) => (format!("{value:.2}"), "met"),
            Some((value, false)) => (format!("{value:.2}"), "MISSED"),
        };
        println!("{:52} {bound:>10} {value:>10}  {verdict}", target.what);
        all &= verdict == "met";
    }
    all
}

impl Target {
    fn is_met(&self, value: f64) -> bool {
        match self.bound {
            Bound::AtMost(bound) => value <= bound,
            Bound::AtLeast(bound) => value >= bound,
        }
    }

    fn bound_text(&self) -> String {
        match self.bound {
            Bound::AtMost(bound) => format!("<= {bound}"),
            Bound::AtLeast(bound) => format!(">= {bound}"),
        }
    }
}
