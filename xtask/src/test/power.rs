//! Power failures: QEMU is killed while the guest writes. The disk must be free of faults then, hold a state
//! that was there at some moment, with everything that was said to be on the disk, and boot again.

use super::{Bench, Check, Layer, Log, Outcome, guest};
use crate::{
    build::Guest,
    image,
    options::{Hardware, Profile},
    qemu::Disk,
    session::{Event, Session},
    volume::{Format, Volume},
};
use anyhow::{Result, bail, ensure};
use std::{
    fmt::Write as _,
    io::Write,
    thread,
    time::{Duration, Instant},
};

/// Files that the guest writes.
const FILES: usize = 60;
/// Behind so many of them it waits for the disk.
const GROUP: usize = 4;
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
/// Time limit for a boot.
const LIMIT: Duration = Duration::from_secs(60);

/// How the kernel and the disk are set up.
#[derive(Clone, Copy)]
enum Mode {
    /// Changes go to the disk in groups.
    Group,
    /// The same, with large files and a long log.
    LargeFiles,
    /// Each call waits for the disk.
    Sync,
}

impl Mode {
    fn name(self) -> &'static str {
        match self {
            Mode::Group => "",
            Mode::LargeFiles => "large-",
            Mode::Sync => "sync-",
        }
    }

    fn format(self) -> Format {
        match self {
            Mode::LargeFiles => Format::LargeFiles,
            Mode::Group | Mode::Sync => Format::Plain,
        }
    }

    fn hardware(self) -> Hardware {
        Hardware {
            boot: match self {
                Mode::Sync => "sync".into(),
                Mode::Group | Mode::LargeFiles => String::new(),
            },
            ..hardware()
        }
    }
}

pub(super) fn checks() -> Vec<Check> {
    let limit = LIMIT.saturating_mul(2);
    let check = |(mode, (files, delay)): (Mode, (usize, u64))| {
        Check::new(
            format!("power-failure-{}{files}", mode.name()),
            Layer::Guest(limit),
            move |bench, log| {
                power_failure(bench, log, mode, files, Duration::from_millis(delay))?;
                Ok(Outcome::Passed(1))
            },
        )
    };
    let every = |mode, step| MOMENTS.into_iter().step_by(step).map(move |at| (mode, at));
    let all = every(Mode::Group, 1)
        .chain(every(Mode::Sync, 2))
        .chain(every(Mode::LargeFiles, 4));
    let idle = Check::new("power-failure-idle", Layer::Guest(limit), |bench, log| {
        idle(bench, log)?;
        Ok(Outcome::Passed(1))
    });
    all.map(check).chain([idle]).collect()
}

/// The contents of file `n`, which `echo` writes in several calls.
fn payload(n: usize) -> String {
    format!("file {n} of the power test ").repeat(3)
}

/// A script that writes and reports each file, while `stressfs` writes too.
fn script() -> String {
    let mut script = String::from("stressfs &\n");
    for n in 0..FILES {
        let _ = writeln!(script, "echo {}> power{n}\necho written {n}.", payload(n));
        if n % GROUP == GROUP - 1 {
            let _ = writeln!(script, "sync\necho synced {n}.");
        }
    }
    script
}

fn power_failure(
    bench: &Bench,
    log: &mut Log,
    mode: Mode,
    files: usize,
    delay: Duration,
) -> Result<()> {
    let guest = bench.guest(Profile::Checked)?;
    let name = format!("script{}{files}", mode.name());
    let script = bench.file(&name, script().as_bytes())?;
    let scripts = std::slice::from_ref(&script);
    let disk = image::disk(&bench.toolchain, guest, mode.format(), None, scripts)?;
    let command = format!("sh <{name}");
    let console = write_until(log, guest, &disk, mode, &command, files, delay)?;
    let surely = match mode {
        Mode::Sync => said(&console, "written", 1),
        Mode::Group | Mode::LargeFiles => said(&console, "synced", GROUP),
    };
    writeln!(log, "\n+ the power failed behind {surely} files")?;

    let whole = whole_files(&disk)?;
    writeln!(log, "+ {whole} files are whole")?;
    ensure!(
        whole >= surely,
        "of {surely} files on the disk {whole} are whole"
    );

    let last = whole.saturating_sub(1);
    let again = format!("cat power{last}; echo still writing > after; cat after");
    let (status, console) = guest::run(log, guest, &disk, &mode.hardware(), &again, LIMIT)?;
    ensure!(status == 0, "the second boot ended with {status}");
    ensure!(
        whole == 0 || console.contains(payload(last).trim()),
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

/// Checks that the disk is as it was at some moment: the files one after the other, then at most one that
/// was begun, then none. How many are whole.
fn whole_files(disk: &Disk) -> Result<usize> {
    let image = disk.contents()?;
    let problems = image::problems(image.clone())?;
    ensure!(problems.is_empty(), "fsck: {}", problems.join("; "));
    let mut volume = Volume::open(image)?;
    let mut whole = 0;
    let mut ended = false;
    for n in 0..FILES {
        let Some(found) = volume.get(&format!("power{n}"))? else {
            ended = true;
            continue;
        };
        ensure!(!ended, "power{n} is there, and one before it is not whole");
        // The last of echo's calls writes the end of the line.
        let wanted = format!("{}\n", payload(n).trim_end());
        ensure!(
            wanted.as_bytes().starts_with(&found),
            "power{n} holds {:?}",
            String::from_utf8_lossy(&found)
        );
        ended = found.len() < wanted.len();
        whole += usize::from(!ended);
    }
    Ok(whole)
}

/// At a prompt, where nothing runs, changes come to the disk by themselves.
fn idle(bench: &Bench, log: &mut Log) -> Result<()> {
    let guest = bench.guest(Profile::Checked)?;
    let disk = image::disk(&bench.toolchain, guest, Format::Plain, None, &[])?;
    let mut session = guest::start(log, guest, &disk, &hardware(), "echo kept > file; cat")?;
    let deadline = Instant::now() + LIMIT;
    let there = || -> Result<bool> {
        // What is read while the guest writes may be torn.
        let volume = Volume::open(disk.contents()?);
        let found = volume.and_then(|mut volume| volume.get("file"));
        Ok(matches!(found, Ok(Some(contents)) if contents == b"kept\n"))
    };
    while !there()? {
        ensure!(Instant::now() < deadline, "the disk has not got the file");
        thread::sleep(Duration::from_millis(20));
    }
    session.kill()?;
    let problems = image::problems(disk.contents()?)?;
    ensure!(problems.is_empty(), "fsck: {}", problems.join("; "));
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
/// gone. Returns what the console showed.
fn write_until(
    log: &mut Log,
    guest: &Guest,
    disk: &Disk,
    mode: Mode,
    command: &str,
    files: usize,
    delay: Duration,
) -> Result<String> {
    let mut session = guest::start(log, guest, disk, &mode.hardware(), command)?;
    let mut console = String::new();
    let deadline = Instant::now() + LIMIT;
    while said(&console, "written", 1) < files {
        read(&mut session, log, &mut console, deadline)?;
    }
    thread::sleep(delay);
    session.kill()?;
    // Count reports still in the pipe.
    while let Ok(Event::Output(bytes)) = session.next(Instant::now() + Duration::from_secs(1)) {
        console.push_str(&String::from_utf8_lossy(&bytes));
    }
    Ok(console)
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
        Event::Silence => bail!("timeout after {} s", LIMIT.as_secs()),
    }
}

/// How many files in a row the guest has said this of, where it does of every `step`th.
fn said(console: &str, what: &str, step: usize) -> usize {
    let told = (step..=FILES)
        .step_by(step)
        .take_while(|count| console.contains(&format!("{what} {}.", count - 1)));
    told.last().unwrap_or(0)
}
