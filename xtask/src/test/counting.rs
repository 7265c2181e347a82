//! `count`: reproducible numbers, or none.

use super::{
    Bench, Check, Log,
    scenarios::{check, run, wanted},
};
use anyhow::{Context, Result, bail, ensure};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("count-repeats", repeats),
        check("count-refuses", refuses),
    ]
}

/// Median and least of each line for this operation.
fn rows(console: &str, name: &str, times: u64) -> Result<Vec<[u64; 2]>> {
    let words = |line: &str| -> Option<Vec<u64>> {
        let numbers = line.strip_prefix(name)?.split_whitespace();
        numbers.map(|word| word.parse().ok()).collect()
    };
    let mut rows = Vec::new();
    for row in console.lines().filter_map(words) {
        let [seen, median, _, least, _] = row[..] else {
            continue;
        };
        ensure!(seen == times, "{name} {seen} times, wanted {times}");
        rows.push([median, least]);
    }
    Ok(rows)
}

/// Repeated calls that do not block take the same number of instructions, in every boot. Maxima are
/// ignored, since the timer may interrupt.
fn repeats(bench: &Bench, log: &mut Log) -> Result<()> {
    let cmd = "count getpid 50 fork 5 getpid 50; count pipe-self 20 pipe 20";
    let boot = |log: &mut Log| {
        let (status, console) = run(bench, log, &[("ICOUNT", "1"), ("CMD", cmd)])?;
        ensure!(status == 0, "exit status {status}, wanted 0");
        Ok(console)
    };
    let (one, other) = (boot(log)?, boot(log)?);
    let mut getpid = rows(&one, "getpid ", 50)?;
    getpid.extend(rows(&other, "getpid ", 50)?);
    let [[call, _], _, _, _] = getpid[..] else {
        bail!("{} lines of getpid, wanted 4", getpid.len());
    };
    ensure!(
        getpid.iter().flatten().all(|&count| count == call),
        "getpid was not the same each time: {getpid:?}"
    );
    ensure!(
        (50..2000).contains(&call),
        "{call} instructions for getpid, wanted some hundreds"
    );
    let median = |name: &str, times| -> Result<u64> {
        let rows = rows(&one, name, times)?;
        let row = rows.first().with_context(|| format!("no line of {name}"))?;
        Ok(row[0])
    };
    let fork = median("fork ", 5)?;
    ensure!(fork > 20 * call, "{fork} instructions for fork");
    let (alone, both) = (median("pipe-self ", 20)?, median("pipe ", 20)?);
    ensure!(
        both > 2 * alone,
        "{both} there and back, and {alone} to itself: where are the switches?"
    );
    Ok(())
}

/// Without an instruction counter there are no numbers; bad arguments are reported.
fn refuses(bench: &Bench, log: &mut Log) -> Result<()> {
    let (status, console) = run(bench, log, &[("CMD", "count getpid 1000")])?;
    wanted(&console, "numbers would mean nothing")?;
    wanted(&console, "ICOUNT=1")?;
    ensure!(
        rows(&console, "getpid ", 1000)?.is_empty(),
        "there are numbers"
    );
    ensure!(status == 1, "exit status {status}, wanted 1");
    let cmd = "count getpit; count getpid 0; count getpid 2000000 || echo all refused; count";
    let (_, console) = run(bench, log, &[("ICOUNT", "1"), ("CMD", cmd)])?;
    wanted(&console, "no operation getpit; run count for a list")?;
    wanted(&console, "0 times: expected a number from 1 to 1000000")?;
    wanted(&console, "2000000 times: expected a number")?;
    ensure!(!console.contains("median"), "something was measured");
    wanted(&console, "\ngetpid ")?;
    wanted(&console, "\ncreate ")
}
