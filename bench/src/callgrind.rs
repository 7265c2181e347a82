//! Runs a trace in a process under callgrind, and reads the counts.

use crate::report::Report;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::process::Command;

/// The simulated first-level data cache, independent of the host: size, ways, line size.
const D1: &str = "32768,8,64";

/// Runs `trace` with `allocator` in a child; returns its report with the costs: instructions per
/// call as `alloc` and `free`, first-level cache misses of both as `misses`.
pub fn run(trace: &str, allocator: &str, counted: bool) -> Result<Report> {
    let program = std::env::current_exe().context("the name of this program")?;
    let out =
        std::env::temp_dir().join(format!("bench-{}-{trace}-{allocator}", std::process::id()));
    let mut command = Command::new(&program);
    if counted {
        command = Command::new("valgrind");
        command
            .args(["-q", "--tool=callgrind", "--cache-sim=yes"])
            .args([
                "--toggle-collect=*measured_section*",
                "--compress-strings=yes",
            ])
            .args([
                format!("--D1={D1}"),
                format!("--I1={D1}"),
                "--LL=8388608,16,64".into(),
            ])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(&program);
    }
    let output = command.args(["run", trace, allocator]).output();
    let output = output.with_context(|| format!("running {:?}", command.get_program()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{trace} with {allocator}: {}\n{said}", output.status);
    }
    let mut report = Report::parse(&String::from_utf8_lossy(&output.stdout));
    if counted {
        let text = std::fs::read_to_string(&out).with_context(|| out.display().to_string())?;
        std::fs::remove_file(&out)?;
        add_costs(&mut report, &text)
            .with_context(|| format!("callgrind counted nothing in {trace} with {allocator}"))?;
    }
    Ok(report)
}

/// Adds the costs per call from a callgrind file.
fn add_costs(report: &mut Report, text: &str) -> Option<()> {
    let (alloc, free) = parse(text);
    let (allocs, frees) = (report.get("allocs")?, report.get("frees")?);
    if alloc.instructions == 0.0 || free.instructions == 0.0 {
        return None;
    }
    report.put("alloc", alloc.instructions / allocs);
    report.put("free", free.instructions / frees);
    report.put("misses", alloc.misses / allocs + free.misses / frees);
    Some(())
}

/// The total cost of a function's calls.
#[derive(Debug, Default, PartialEq)]
struct Cost {
    instructions: f64,
    misses: f64,
}

impl Cost {
    fn add(&mut self, instructions: f64, misses: f64) {
        self.instructions += instructions;
        self.misses += misses;
    }
}

/// Sums the costs of the two functions. callgrind compresses names to numbers; the line after
/// `calls=` has the inclusive cost.
fn parse(text: &str) -> (Cost, Cost) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut events: Vec<&str> = Vec::new();
    let (mut callee, mut is_call) = ("", false);
    let (mut alloc, mut free) = (Cost::default(), Cost::default());
    for line in text.lines() {
        if let Some(list) = line.strip_prefix("events: ") {
            events = list.split(' ').collect();
        } else if let Some(name) = line.strip_prefix("fn=").or(line.strip_prefix("cfn=")) {
            let (number, text) = name.split_once(' ').unwrap_or((name, ""));
            let name = names.entry(number).or_insert(text);
            if line.starts_with('c') {
                callee = name;
            }
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if std::mem::take(&mut is_call) {
            let costs: Vec<f64> = line.split(' ').skip(1).flat_map(str::parse).collect();
            let of = |event: &str| {
                let place = events.iter().position(|&name| name == event);
                place
                    .and_then(|place| costs.get(place))
                    .copied()
                    .unwrap_or(0.0)
            };
            let misses = of("D1mr") + of("D1mw");
            if callee.contains("counted_alloc") {
                alloc.add(of("Ir"), misses);
            } else if callee.contains("counted_free") {
                free.add(of("Ir"), misses);
            }
        }
    }
    (alloc, free)
}

#[cfg(test)]
mod tests {
    use super::{Cost, parse};

    #[test]
    fn costs_are_summed() {
        let text = "\
events: Ir Dr Dw I1mr D1mr D1mw
fn=(1) trace::{closure}
10 100
cfn=(2) x::counted_alloc
calls=10 20
11 300 5 5 0 2 3
cfn=(3) x::counted_free
calls=5 30
12 100 5 5

fn=(4) other
cfn=(2)
calls=10 20
+1 100
";
        let cost = |instructions, misses| Cost {
            instructions,
            misses,
        };
        assert_eq!(parse(text), (cost(400.0, 5.0), cost(100.0, 0.0)));
    }
}
