//! A guest that has the terminal for itself.

use crate::{session::code, ties};
use anyhow::{Context, Result};
use rustix::termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr};
use signal_hook::{consts, flag};
use std::{
    io::stdin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Between two looks at the guest.
const PAUSE: Duration = Duration::from_millis(50);
/// What ends this process, and the guest before it.
const ENDS: [i32; 4] = [
    consts::SIGHUP,
    consts::SIGINT,
    consts::SIGQUIT,
    consts::SIGTERM,
];

/// Runs QEMU on standard input and output until it ends, or a signal ends both; then the terminal is
/// again as it was. The exit status.
pub(crate) fn attend(mut qemu: Command) -> Result<u8> {
    let told = Arc::new(AtomicUsize::new(0));
    for signal in ENDS {
        flag::register_usize(signal, Arc::clone(&told), signal as usize)?;
    }
    let _lines = Lines::hold();
    ties::tie(&mut qemu);
    let mut qemu = qemu.spawn().context("QEMU could not be started")?;
    loop {
        if let Some(status) = qemu.try_wait()? {
            return Ok(code(status));
        }
        let signal = told.load(Ordering::Relaxed);
        if signal != 0 {
            qemu.kill()?;
            qemu.wait()?;
            return Ok(u8::try_from(128 + signal).unwrap_or(u8::MAX));
        }
        thread::sleep(PAUSE);
    }
}

/// The terminal, adding no carriage return to a line, since the guest does so itself.
struct Lines {
    before: Termios,
}

impl Lines {
    /// Nothing if standard input is no terminal.
    fn hold() -> Option<Lines> {
        let before = tcgetattr(stdin()).ok()?;
        let mut plain = before.clone();
        plain.output_modes.remove(OutputModes::ONLCR);
        tcsetattr(stdin(), OptionalActions::Drain, &plain).ok()?;
        Some(Lines { before })
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // A terminal that has gone needs no settings.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}
