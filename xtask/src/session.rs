//! A running guest, with its console as a stream of events.

use crate::{build::Guest, ties, watchdog::Watch};
use anyhow::{Context, Result};
use rustix::process::Pid;
use std::{
    io::{ErrorKind, PipeReader, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

/// The child's standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stderr {
    /// Inherited.
    Ours,
    /// Merged into the console.
    Console,
}

/// An event.
#[derive(Debug)]
pub(crate) enum Event {
    /// Console output.
    Output(Vec<u8>),
    /// The child ended with this status, or 128 plus the signal that killed it.
    Ended(u8),
    /// Nothing until the deadline.
    Silence,
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    /// Closed by `close_input`.
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    watch: Option<Watch>,
}

impl Session {
    /// Starts the child, with a pipe for input if `input`. It is killed when the calling thread
    /// ends, so no guest outlives its xtask. It does not get the terminal's signals; xtask handles
    /// them.
    pub(crate) fn start(mut command: Command, input: bool, stderr: Stderr) -> Result<Session> {
        let (reader, writer) = std::io::pipe()?;
        if stderr == Stderr::Console {
            command.stderr(writer.try_clone()?);
        }
        command.stdout(writer);
        ties::tie(&mut command);
        command.process_group(0);
        command.stdin(if input { Stdio::piped() } else { Stdio::null() });
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .spawn()
            .with_context(|| format!("{name} could not be started"))?;
        // The command holds ends of the pipe.
        drop(command);
        Ok(Session {
            input: child.stdin.take(),
            child,
            output: chunks(reader),
            watch: None,
        })
    }

    /// The child's process ID.
    pub(crate) fn id(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Starts a QEMU with input and with the watchdog attached.
    pub(crate) fn watched(mut qemu: Command, guest: &Guest, stderr: Stderr) -> Result<Session> {
        let watch = Watch::attach(&mut qemu, guest)?;
        let mut session = Session::start(qemu, true, stderr)?;
        session.watch = Some(watch);
        Ok(session)
    }

    /// Kills a child after a timeout; first prints the guest's state if possible.
    pub(crate) fn time_is_up(&mut self, sink: &mut impl Write) -> Result<()> {
        if let Some(watch) = self.watch.take() {
            watch.look(self, sink)?;
        }
        self.kill()
    }

    /// Waits for an event until `deadline`.
    pub(crate) fn next(&mut self, deadline: Instant) -> Result<Event> {
        let patience = deadline.saturating_duration_since(Instant::now());
        match self.output.recv_timeout(patience) {
            Ok(bytes) => Ok(Event::Output(bytes)),
            Err(RecvTimeoutError::Timeout) => Ok(Event::Silence),
            Err(RecvTimeoutError::Disconnected) => self.end(deadline),
        }
    }

    /// Waits for the exit after the console is closed.
    fn end(&mut self, deadline: Instant) -> Result<Event> {
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Event::Ended(code(status)));
            }
            if Instant::now() >= deadline {
                return Ok(Event::Silence);
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types the bytes; ignores a guest that has ended.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(input) = &mut self.input else {
            return Ok(());
        };
        match input.write_all(bytes).and_then(|()| input.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Closes the child's input.
    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Kills the child at once, as a power failure would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads in a thread until the pipe's write ends are closed.
fn chunks(mut reader: PipeReader) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The exit status, or 128 plus the signal that killed it.
pub(crate) fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let signal = || status.signal().map(|signal| 128 + signal);
    status
        .code()
        .or_else(signal)
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}
