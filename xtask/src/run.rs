//! `run`: one command line in a guest of its own.

use crate::{
    build, image,
    options::Options,
    qemu::{self, Console},
    resolver::Resolver,
    session::{Event, Session, Stderr},
    toolchain::Toolchain,
    typist::Typist,
};
use anyhow::{Context, Result, ensure};
use std::{
    io::Write,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// Exit status after a kill for want of time, as `timeout(1)` has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// A time limit that no clock overflows at.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// The longest line that an xv6 shell reads at once, without its end.
const LONGEST: usize = 98;

/// Boots, runs the command line, and gives the exit status for this process.
///
/// The init of an image that was not made here knows nothing of our boot arguments: there the line is
/// typed to the shell, and the status is 0 when the shell has done it all.
///
/// # Errors
///
/// The guest could not be built or started, or standard output is closed.
pub(crate) fn run(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let named = (!options.rest.is_empty()).then(|| options.rest.join(" "));
    let cmd = named.or_else(|| options.cmd.clone());
    let cmd = cmd.filter(|cmd| !cmd.trim().is_empty());
    let cmd = cmd.context("which command? make run CMD='echo hello; ls'")?;
    ensure!(
        !cmd.contains('\0'),
        "a command line cannot hold a zero byte"
    );
    options.keep.as_deref().map_or(Ok(()), image::check)?;
    let foreign = match &options.keep {
        Some(image) if image::is_foreign(image)? => Some(image),
        _ => None,
    };
    let lines = foreign.map(|image| typed(image, &cmd)).transpose()?;
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let disk = image::disk(
        toolchain,
        &guest,
        options.format,
        options.keep.as_deref(),
        &options.add,
    )?;
    let boot = match lines {
        None => boot_args(&cmd),
        Some(_) => String::new(),
    };
    let qemu = qemu::command(
        &guest.kernel,
        &disk,
        &options.hardware,
        &boot,
        Console::Stdio,
    )?;
    let mut session = Session::watched(qemu, &guest, Stderr::Ours)?;
    let console = std::io::stdout().lock();
    let mut console = Resolver::new(console, &guest.kernel);
    let status = match lines {
        None => follow(&mut session, options.timeout, &mut console)?,
        Some(lines) => {
            let deadline = deadline(Instant::now(), options.timeout);
            Typist::new(session, lines).run(&mut console, Some(deadline))?
        }
    };
    Ok(status.unwrap_or_else(|| {
        eprintln!(
            "xtask: no end after {} s; QEMU was killed",
            options.timeout.as_secs()
        );
        TIMED_OUT
    }))
}

/// What is typed to a foreign shell, in lines that it can read.
fn typed(image: &Path, cmd: &str) -> Result<Receiver<Vec<u8>>> {
    let (sender, lines) = channel();
    for line in cmd.lines() {
        ensure!(
            line.len() <= LONGEST,
            "{} was not made by xtask, and xv6's shell reads lines of at most {LONGEST} bytes; this one has {}",
            image.display(),
            line.len()
        );
        sender.send(format!("{line}\n").into_bytes())?;
    }
    eprintln!(
        "xtask: {} was not made by xtask: the command line is typed to its shell, and its status stays unknown",
        image.display()
    );
    Ok(lines)
}

/// When the time is up.
fn deadline(start: Instant, timeout: Duration) -> Instant {
    start.checked_add(timeout).unwrap_or(start + FOREVER)
}

/// The kernel's command line that makes init run `cmd` and power off: all behind the two dashes is
/// init's one argument, what stands before them is for the kernel.
pub(crate) fn boot_args(cmd: &str) -> String {
    format!("-- {cmd}")
}

/// Copies the console to `sink` until the guest ends, and gives its exit status; when that takes too
/// long, prints what the guest does, kills it, and gives `None`.
pub(crate) fn follow(
    session: &mut Session,
    timeout: Duration,
    sink: &mut impl Write,
) -> Result<Option<u8>> {
    match follow_until(session, timeout, sink, |_| false)? {
        Followed::Ended(status) => Ok(Some(status)),
        Followed::Enough | Followed::TimeUp => {
            session.time_is_up(sink)?;
            Ok(None)
        }
    }
}

/// Why the console is followed no further.
pub(crate) enum Followed {
    /// The guest ended with this status.
    Ended(u8),
    /// What was waited for is there.
    Enough,
    TimeUp,
}

/// Copies the console to `sink` until the guest ends, the sink has `enough`, or the time is up.
pub(crate) fn follow_until<S: Write>(
    session: &mut Session,
    timeout: Duration,
    sink: &mut S,
    enough: impl Fn(&S) -> bool,
) -> Result<Followed> {
    let deadline = deadline(Instant::now(), timeout);
    loop {
        match session.next(deadline)? {
            Event::Output(bytes) => {
                let written = sink.write_all(&bytes).and_then(|()| sink.flush());
                written.context("nobody reads the console any more")?;
                if enough(sink) {
                    return Ok(Followed::Enough);
                }
            }
            Event::Ended(status) => return Ok(Followed::Ended(status)),
            Event::Silence => {}
        }
        if Instant::now() >= deadline {
            return Ok(Followed::TimeUp);
        }
    }
}
