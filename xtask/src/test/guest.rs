//! Runs a command line in a guest and checks the result.

use super::{Bench, Log, Outcome, list::Entry};
use crate::{
    build::Guest,
    c::{self, Compiler},
    image,
    options::Hardware,
    qemu::{self, Console, Disk},
    resolver::Resolver,
    run::{boot_args, follow},
    session::{Session, Stderr},
};
use anyhow::{Result, bail, ensure};
use std::{io::Write, path::PathBuf, time::Duration};

/// Runs an entry of the list on its own disk.
pub(super) fn run_entry(bench: &Bench, log: &mut Log, entry: &Entry) -> Result<Outcome> {
    let guest = bench.guest(entry.profile)?;
    if entry.adds.iter().any(|path| c::is_source(path)) && Compiler::find().is_none() {
        let reason = "no C compiler for the guest; `scripts/setup c` installs one";
        return Ok(Outcome::Skipped(reason.into()));
    }
    let root = &bench.toolchain.root;
    let adds: Vec<PathBuf> = entry.adds.iter().map(|path| root.join(path)).collect();
    let disk = image::disk(&bench.toolchain, guest, entry.format, None, &adds)?;
    let hardware = entry.hardware();
    let (status, console) = run(log, guest, &disk, &hardware, &entry.command, entry.limit)?;
    for text in &entry.shows {
        ensure!(console.contains(text), "the console does not show {text:?}");
    }
    for text in &entry.lacks {
        ensure!(!console.contains(text), "the console shows {text:?}");
    }
    ensure!(
        entry.status.fits(status),
        "exit status {status}, wanted {:?}",
        entry.status
    );
    Ok(Outcome::Passed(1))
}

/// Boots and runs the command line; returns the exit status and the console. A timeout is an error.
pub(super) fn run(
    log: &mut Log,
    guest: &Guest,
    disk: &Disk,
    hardware: &Hardware,
    command: &str,
    limit: Duration,
) -> Result<(u8, String)> {
    let mut session = start(log, guest, disk, hardware, command)?;
    let before = log.text().len();
    let mut console = Resolver::new(&mut *log, &guest.kernel);
    let Some(status) = follow(&mut session, limit, &mut console)? else {
        bail!("timeout after {} s", limit.as_secs());
    };
    let console = log.text().split_off(before);
    writeln!(log, "+ exit status {status}")?;
    Ok((status, console))
}

/// Boots with this command line.
pub(super) fn start(
    log: &mut Log,
    guest: &Guest,
    disk: &Disk,
    hardware: &Hardware,
    command: &str,
) -> Result<Session> {
    let boot = boot_args(command);
    let qemu = qemu::command(&guest.kernel, disk, hardware, &boot, Console::Stdio)?;
    writeln!(log, "+ {qemu:?}")?;
    Session::watched(qemu, guest, Stderr::Console)
}
