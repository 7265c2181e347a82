//! `run`: one command line in a guest of its own.

use crate::{
    build, image,
    options::Options,
    qemu::{self, Console},
    session::{Event, Session, Stderr},
    toolchain::Toolchain,
};
use anyhow::{Context, Result, ensure};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Exit status after a kill for want of time, as `timeout(1)` has it.
pub(crate) const TIMED_OUT: u8 = 124;
/// A time limit that no clock overflows at.
const FOREVER: Duration = Duration::from_secs(1 << 30);

/// Boots, runs the command line, and gives the exit status for this process.
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
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let disk = image::disk(toolchain, &guest, options.keep.as_deref(), &options.add)?;
    let qemu = qemu::command(
        &guest.kernel,
        &disk,
        &options.hardware,
        &boot_args(&cmd),
        Console::Stdio,
    )?;
    let mut session = Session::watched(qemu, &guest, Stderr::Ours)?;
    let status = follow(&mut session, options.timeout, &mut std::io::stdout().lock())?;
    Ok(status.unwrap_or_else(|| {
        eprintln!(
            "xtask: no end after {} s; QEMU was killed",
            options.timeout.as_secs()
        );
        TIMED_OUT
    }))
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
    let start = Instant::now();
    let deadline = start.checked_add(timeout).unwrap_or(start + FOREVER);
    loop {
        match session.next(deadline)? {
            Event::Output(bytes) => {
                let written = sink.write_all(&bytes).and_then(|()| sink.flush());
                written.context("nobody reads the console any more")?;
            }
            Event::Ended(status) => return Ok(Some(status)),
            Event::Silence => {}
        }
        if Instant::now() >= deadline {
            session.time_is_up(sink)?;
            return Ok(None);
        }
    }
}
