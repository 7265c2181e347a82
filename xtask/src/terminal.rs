//! A guest attached to the terminal.

use crate::{resolver::Resolver, session::code, ties};
use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    termios::{OptionalActions, OutputModes, Termios, tcgetattr, tcsetattr},
};
use signal_hook::{consts, flag};
use std::{
    fs::File,
    io::{self, ErrorKind, Write, stdin, stdout},
    os::fd::AsFd,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Polling interval.
const PAUSE: Duration = Duration::from_millis(50);
/// Signals that end this process, after its guest.
const ENDS: [i32; 4] = [
    consts::SIGHUP,
    consts::SIGINT,
    consts::SIGQUIT,
    consts::SIGTERM,
];

/// Runs QEMU on the terminal until it or a signal ends it, then restores the terminal. Returns the
/// exit status.
pub(crate) fn attend(mut qemu: Command, kernel: &Path) -> Result<u8> {
    let told = Arc::new(AtomicUsize::new(0));
    for signal in ENDS {
        flag::register_usize(signal, Arc::clone(&told), signal as usize)?;
    }
    let _lines = Lines::hold();
    ties::tie(&mut qemu);
    let (mut console, writer) = io::pipe()?;
    qemu.stdout(writer);
    let mut child = qemu.spawn().context("QEMU could not be started")?;
    // The command holds an end of the pipe.
    drop(qemu);
    let output = Output(File::from(stdout().as_fd().try_clone_to_owned()?));
    let mut output = Resolver::new(output, kernel);
    let copier = thread::spawn(move || io::copy(&mut console, &mut output));
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break code(status);
        }
        let signal = told.load(Ordering::Relaxed);
        if signal != 0 {
            child.kill()?;
            child.wait()?;
            break u8::try_from(128 + signal).unwrap_or(u8::MAX);
        }
        thread::sleep(PAUSE);
    };
    // Wait for its last output, unless nobody reads it.
    while !copier.is_finished() && told.load(Ordering::Relaxed) == 0 {
        thread::sleep(PAUSE / 10);
    }
    Ok(status)
}

/// Standard output. QEMU makes its input non-blocking, which on a terminal is the same file.
struct Output(File);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None)?;
                }
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Terminal settings without output processing: the guest sends carriage returns itself.
struct Lines {
    before: Termios,
}

impl Lines {
    /// `None` if standard input is no terminal.
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
        // Ignore a terminal that is gone.
        let _ = tcsetattr(stdin(), OptionalActions::Drain, &self.before);
    }
}
