//! `run`: runs one command line in a guest.

use crate::{
    build, image,
    options::Options,
    qemu::{self, Console},
    resolver::Resolver,
    session::{Event, Session, Stderr},
    toolchain::Toolchain,
    typist::{self, Typist},
};
use anyhow::{Context, Result, ensure};
use std::{
    io::Write,
    path::Path,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

/// Exit status on timeout, as in `timeout(1)`.
pub(crate) const TIMED_OUT: u8 = 124;
/// A time limit that does not overflow.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// The longest line that xv6's shell reads, without its newline.
const LONGEST: usize = 98;

/// Boots, runs the command line, and returns its exit status.
///
/// The init of a foreign image ignores our boot arguments: there the line is typed to the shell,
/// and the status is 0 when the shell is done.
///
/// # Errors
///
/// The guest cannot be built or started, or standard output is closed.
pub(crate) fn run(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let named = (!options.rest.is_empty()).then(|| options.rest.join(" "));
    let cmd = named.or_else(|| options.cmd.clone());
    let cmd = cmd.filter(|cmd| !cmd.trim().is_empty());
    let cmd = cmd.context("which command? make run CMD='echo hello; ls'")?;
    ensure!(
        !cmd.contains('\0'),
        "a command line cannot contain a zero byte"
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
        Some(_) => typist::BOOT.into(),
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
            "xtask: timeout after {} s; QEMU was killed",
            options.timeout.as_secs()
        );
        TIMED_OUT
    }))
}

/// The lines to type to a foreign shell.
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
        "xtask: {} was not made by xtask: the command line is typed to its shell, and its status is unknown",
        image.display()
    );
    Ok(lines)
}

/// The deadline.
fn deadline(start: Instant, timeout: Duration) -> Instant {
    start.checked_add(timeout).unwrap_or(start + FOREVER)
}

/// The boot arguments that make init run `cmd` and power off: those after the two dashes are init's
/// single argument.
pub(crate) fn boot_args(cmd: &str) -> String {
    format!("-- {cmd}")
}

/// Copies the console to `sink` until the guest ends, and returns its exit status; on timeout
/// prints the guest's state, kills it, and returns `None`.
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

/// Why following the console stopped.
pub(crate) enum Followed {
    /// The guest ended with this exit status.
    Ended(u8),
    /// The sink has enough.
    Enough,
    TimeUp,
}

/// Copies the console to `sink` until the guest ends, the sink has `enough`, or the deadline
/// passes.
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
                written.context("standard output is closed")?;
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
