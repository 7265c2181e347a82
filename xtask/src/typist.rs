//! Typing at a guest's console.

use crate::session::{Event, Session};
use anyhow::Result;
use std::{
    io::Write,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

/// Printed by init before each shell.
const SHELL_STARTS: &[u8] = b"init: starting sh";
const PROMPT: &[u8] = b"$ ";
/// A console silent for this long has read its input.
const QUIET: Duration = Duration::from_millis(200);
/// Interval between end-of-file characters.
const INSIST: Duration = Duration::from_secs(1);
/// End of file.
const CTRL_D: &[u8] = b"\x04";

/// Boot argument for a session that a [`Typist`] ends: nobody powers that machine off, so calls wait for
/// the disk.
pub(crate) const BOOT: &str = "sync";

/// Types lines on the console, each after the one before was processed, since a serial line buffers
/// little. At the end of input it ends the session with the shell's end of file.
pub(crate) struct Typist {
    session: Session,
    lines: Receiver<Vec<u8>>,
    /// The end of the console's output, enough to find a message.
    tail: Vec<u8>,
    shells: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No shell yet.
    Booting,
    /// Lines are left to send.
    Typing,
    /// All is sent; the last of `shells` must read the end of file.
    Leaving { shells: usize, sent: Instant },
}

impl Typist {
    pub(crate) fn new(session: Session, lines: Receiver<Vec<u8>>) -> Typist {
        Typist {
            session,
            lines,
            tail: Vec::new(),
            shells: 0,
            stage: Stage::Booting,
        }
    }

    /// Types all lines and shows the console. Returns 0 when all was processed, or the guest's
    /// status; kills the guest at `deadline` and returns `None`.
    pub(crate) fn run(
        mut self,
        console: &mut impl Write,
        deadline: Option<Instant>,
    ) -> Result<Option<u8>> {
        loop {
            let look = Instant::now() + QUIET;
            match self.session.next(deadline.unwrap_or(look).min(look))? {
                Event::Ended(status) => return Ok(Some(status)),
                Event::Output(bytes) => {
                    console.write_all(&bytes)?;
                    console.flush()?;
                    self.note(&bytes);
                    if self.tail.ends_with(PROMPT) {
                        self.act()?;
                    }
                }
                Event::Silence => self.act()?,
            }
            if matches!(self.stage, Stage::Leaving { shells, .. } if self.shells > shells) {
                writeln!(console)?;
                return Ok(Some(0));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.session.time_is_up(console)?;
                return Ok(None);
            }
        }
    }

    /// Records the output and counts shells.
    fn note(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.tail.push(byte);
            if self.tail.ends_with(SHELL_STARTS) {
                self.shells += 1;
                self.tail.clear();
            }
        }
        let keep = self.tail.len().saturating_sub(SHELL_STARTS.len());
        self.tail.drain(..keep);
    }

    /// The console seems to wait: types the next line, if any.
    fn act(&mut self) -> Result<()> {
        if self.shells == 0 {
            return Ok(());
        }
        if self.stage == Stage::Booting {
            self.stage = Stage::Typing;
        }
        match self.lines.try_recv() {
            Ok(line) => {
                self.tail.clear();
                self.session.send(&line)
            }
            Err(TryRecvError::Empty) => Ok(()),
            Err(TryRecvError::Disconnected) => self.leave(),
        }
    }

    /// Sends the end of file, repeatedly: a program that reads the console gets it before the
    /// shell.
    fn leave(&mut self) -> Result<()> {
        let shells = match self.stage {
            Stage::Leaving { sent, .. } if sent.elapsed() < INSIST => return Ok(()),
            Stage::Leaving { shells, .. } => shells,
            Stage::Booting | Stage::Typing => self.shells,
        };
        self.stage = Stage::Leaving {
            shells,
            sent: Instant::now(),
        };
        self.tail.clear();
        self.session.send(CTRL_D)
    }
}
