//! Typing at a guest's console.

use crate::session::{Event, Session};
use anyhow::Result;
use std::{
    io::Write,
    sync::mpsc::{Receiver, TryRecvError},
    time::{Duration, Instant},
};

/// What init prints before each shell it starts.
const SHELL_STARTS: &[u8] = b"init: starting sh";
const PROMPT: &[u8] = b"$ ";
/// A console silent for so long has read what it was sent.
const QUIET: Duration = Duration::from_millis(200);
/// Between one end of file and the next.
const INSIST: Duration = Duration::from_secs(1);
/// The console's end of file.
const CTRL_D: &[u8] = b"\x04";

/// Feeds lines to the console the way a person types: not before there is a shell, and line by
/// line, each when the one before was dealt with, since a serial line cannot hold much. When the
/// input ends so does the session: with the shell, which init then starts anew.
pub(crate) struct Typist {
    session: Session,
    lines: Receiver<Vec<u8>>,
    /// The end of what the console printed; enough to find a message in.
    tail: Vec<u8>,
    shells: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No shell yet.
    Booting,
    /// There are lines to send.
    Typing,
    /// All is sent; the shell that reads the end of file is the last of `shells`.
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

    /// Types all and shows the console; the exit status, 0 if all was typed and done with. Kills the
    /// guest when that takes longer than until `deadline`, and then gives `None`.
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

    /// Remembers the output and counts the shells in it.
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

    /// The console waits, or seems to: types the next line if there is one.
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

    /// Sends the end of file. A program that reads the console takes it for its own; so again and
    /// again, until the shell has one too.
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
