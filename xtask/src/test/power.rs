//! Power failures: QEMU is killed while the guest writes, and the disk must have every file that the
//! guest had said was written, be free of faults, and boot again.

use super::{Bench, Check, Layer, Log, Outcome, guest};
use crate::{
    build::Guest,
    image,
    options::{Hardware, Profile},
    qemu::Disk,
    session::{Event, Session},
    volume::{Format, Volume},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fmt::Write as _,
    io::Write,
    thread,
    time::{Duration, Instant},
};

/// Files that the guest would write if it were left alone.
const FILES: usize = 60;
/// When the power fails: behind that many files, so many milliseconds later.
const MOMENTS: [(usize, u64); 8] = [
    (1, 0),
    (2, 7),
    (5, 31),
    (9, 3),
    (14, 17),
    (22, 0),
    (33, 53),
    (47, 11),
];
/// For one boot.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn checks() -> Vec<Check> {
    let limit = LIMIT.saturating_mul(2);
    let check = |(files, delay): (usize, u64)| {
        Check::new(
            format!("power-failure-{files}"),
            Layer::Guest(limit),
            move |bench, log| {
                power_failure(bench, log, files, Duration::from_millis(delay))?;
                Ok(Outcome::Passed(1))
            },
        )
    };
    MOMENTS.map(check).into()
}

/// The contents of file `n`, which `echo` writes in many calls.
fn payload(n: usize) -> String {
    format!("file {n} of the power test ").repeat(3)
}

/// A script that writes the files, and says so of each, while `stressfs` writes beside it.
fn script() -> String {
    let mut script = String::from("stressfs &\n");
    for n in 0..FILES {
        let _ = writeln!(script, "echo {}> power{n}\necho written {n}.", payload(n));
    }
    script
}

fn power_failure(bench: &Bench, log: &mut Log, files: usize, delay: Duration) -> Result<()> {
    let guest = bench.guest(Profile::Checked)?;
    let script = bench.file(&format!("script{files}"), script().as_bytes())?;
    let disk = image::disk(
        &bench.toolchain,
        guest,
        Format::Plain,
        None,
        std::slice::from_ref(&script),
    )?;
    let said = write_until(
        log,
        guest,
        &disk,
        &format!("sh <script{files}"),
        files,
        delay,
    )?;

    let image = disk.contents()?;
    let problems = image::problems(image.clone())?;
    ensure!(problems.is_empty(), "fsck: {}", problems.join("; "));
    let mut volume = Volume::open(image)?;
    for n in 0..said {
        let found = volume.get(&format!("power{n}"))?;
        let found = found.with_context(|| format!("power{n} was written and is gone"))?;
        ensure!(
            found.trim_ascii() == payload(n).trim().as_bytes(),
            "power{n} holds {:?}",
            String::from_utf8_lossy(&found)
        );
    }

    let last = said.saturating_sub(1);
    let again = format!("cat power{last}; echo still writing > after; cat after");
    let (status, console) = guest::run(log, guest, &disk, &hardware(), &again, LIMIT)?;
    ensure!(status == 0, "the second boot ended with {status}");
    ensure!(
        console.contains(payload(last).trim()),
        "the second boot does not show power{last}"
    );
    let problems = image::problems(disk.contents()?)?;
    ensure!(
        problems.is_empty(),
        "fsck after the second boot: {}",
        problems.join("; ")
    );
    Ok(())
}

fn hardware() -> Hardware {
    Hardware {
        cpus: 3,
        mem: "128M".into(),
        icount: false,
        extra: Vec::new(),
        boot: String::new(),
    }
}

/// Runs the command until it has said that so many files are written; `delay` later the power is
/// gone. Returns how many files it had said by then.
fn write_until(
    log: &mut Log,
    guest: &Guest,
    disk: &Disk,
    command: &str,
    files: usize,
    delay: Duration,
) -> Result<usize> {
    let mut session = guest::start(log, guest, disk, &hardware(), command)?;
    let mut console = String::new();
    let deadline = Instant::now() + LIMIT;
    while written(&console) < files {
        read(&mut session, log, &mut console, deadline)?;
    }
    thread::sleep(delay);
    session.kill()?;
    // What was in the pipe when the power failed had been said, too.
    while let Ok(Event::Output(bytes)) = session.next(Instant::now() + Duration::from_secs(1)) {
        console.push_str(&String::from_utf8_lossy(&bytes));
    }
    let said = written(&console);
    writeln!(log, "\n+ the power failed behind {said} files")?;
    Ok(said)
}

fn read(
    session: &mut Session,
    log: &mut Log,
    console: &mut String,
    deadline: Instant,
) -> Result<()> {
    match session.next(deadline)? {
        Event::Output(bytes) => {
            log.write_all(&bytes)?;
            console.push_str(&String::from_utf8_lossy(&bytes));
            Ok(())
        }
        Event::Ended(status) => bail!("the guest ended with {status} before the power failed"),
        Event::Silence => bail!("no end after {} s", LIMIT.as_secs()),
    }
}

/// How many files in a row the guest has said are written.
fn written(console: &str) -> usize {
    (0..FILES)
        .take_while(|n| console.contains(&format!("written {n}.")))
        .count()
}
