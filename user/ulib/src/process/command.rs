//! Running programs.

use super::{ExitStatus, Fork, fork, kill, pipe, wait_for};
use crate::fs::File;
use crate::io::{Error, Read, Result};
use crate::path::Path;
use crate::sys;
use abi::{Errno, MAXARG};
use alloc::vec::Vec;
use core::convert::Infallible;

/// Exit status of a child whose exec failed, as in Unix shells.
const NOT_STARTED: i32 = 127;

/// The configuration of one of a child's standard files.
#[derive(Debug, Default)]
pub enum Stdio {
    /// The same as ours.
    #[default]
    Inherit,
    /// A pipe to us.
    Piped,
    /// This file.
    File(File),
}

impl Stdio {
    /// The same as ours.
    pub fn inherit() -> Stdio {
        Stdio::Inherit
    }

    /// A pipe to us.
    pub fn piped() -> Stdio {
        Stdio::Piped
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Stdio {
        Stdio::File(file)
    }
}

/// A program to start, with its arguments and its standard files.
#[derive(Debug)]
pub struct Command {
    /// The zero-terminated arguments, one after another; the program is the first.
    words: Vec<u8>,
    count: usize,
    path: Result<Path>,
    stdio: [Stdio; 3],
}

impl Command {
    /// A command that runs this file.
    pub fn new(program: impl AsRef<[u8]>) -> Command {
        let mut command = Command {
            words: Vec::new(),
            count: 0,
            path: Path::new(&program),
            stdio: [const { Stdio::Inherit }; 3],
        };
        command.arg(program);
        command
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Command {
        let argument = argument.as_ref();
        if argument.contains(&0) {
            self.path = Err(Error::InvalidInput);
        }
        self.words.extend_from_slice(argument);
        self.words.push(0);
        self.count += 1;
        self
    }

    /// Sets argument 0.
    pub fn arg0(&mut self, name: impl AsRef<[u8]>) -> &mut Command {
        let name = name.as_ref();
        if name.contains(&0) {
            self.path = Err(Error::InvalidInput);
        }
        let first = self
            .words
            .iter()
            .position(|&b| b == 0)
            .unwrap_or(self.words.len());
        self.words.splice(..first, name.iter().copied());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<[u8]>>(&mut self, arguments: impl IntoIterator<Item = A>) -> &mut Command {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// Sets standard input.
    pub fn stdin(&mut self, stdio: impl Into<Stdio>) -> &mut Command {
        self.stdio[0] = stdio.into();
        self
    }

    /// Sets standard output.
    pub fn stdout(&mut self, stdio: impl Into<Stdio>) -> &mut Command {
        self.stdio[1] = stdio.into();
        self
    }

    /// Sets standard error.
    pub fn stderr(&mut self, stdio: impl Into<Stdio>) -> &mut Command {
        self.stdio[2] = stdio.into();
        self
    }

    /// Executes the program in this process. Returns only on error.
    ///
    /// # Errors
    /// The file is not executable, there are too many arguments, or too little memory.
    pub fn exec(&mut self) -> Result<Infallible> {
        let path = self.path?;
        if self.count > MAXARG {
            return Err(Error::Kernel(Errno::ArgumentsTooLong));
        }
        let mut argv = [core::ptr::null(); MAXARG + 1];
        let starts = self.words.split_inclusive(|&b| b == 0).map(<[u8]>::as_ptr);
        for (slot, start) in argv.iter_mut().zip(starts) {
            *slot = start;
        }
        crate::io::flush_at_exit();
        sys::exec(path.as_ptr(), argv.as_ptr());
        Err(Error::last())
    }

    /// Starts the program in a new process, which exits with 127 if exec fails. A file given as a
    /// standard file is closed here.
    ///
    /// # Errors
    /// There are too many processes or too little memory, or the arguments are invalid.
    pub fn spawn(&mut self) -> Result<Child> {
        self.path?;
        let (stdin, to_child) = for_child(core::mem::take(&mut self.stdio[0]), Side::Reads)?;
        let (stdout, from_child) = for_child(core::mem::take(&mut self.stdio[1]), Side::Writes)?;
        let (stderr, errors) = for_child(core::mem::take(&mut self.stdio[2]), Side::Writes)?;
        match fork()? {
            Fork::Parent(pid) => Ok(Child {
                pid,
                stdin: to_child,
                stdout: from_child,
                stderr: errors,
            }),
            Fork::Child => {
                drop((to_child, from_child, errors));
                for (fd, file) in [stdin, stdout, stderr].into_iter().enumerate() {
                    // Do not exec with the wrong files.
                    if file.is_some_and(|file| file.become_fd(fd as i32).is_err()) {
                        sys::exit(NOT_STARTED);
                    }
                }
                let Err(error) = self.exec();
                let name = self.words.split(|&b| b == 0).next().unwrap_or_default();
                crate::eprintln!("cannot start {}: {error}", name.escape_ascii());
                sys::exit(NOT_STARTED)
            }
        }
    }

    /// Runs the program and waits for it.
    ///
    /// # Errors
    /// As for [`spawn`](Command::spawn).
    pub fn status(&mut self) -> Result<ExitStatus> {
        self.spawn()?.wait()
    }

    /// Runs the program; returns its standard output and exit status.
    ///
    /// # Errors
    /// As for [`spawn`](Command::spawn).
    pub fn output(&mut self) -> Result<(Vec<u8>, ExitStatus)> {
        let mut child = self.stdout(Stdio::Piped).spawn()?;
        let mut bytes = Vec::new();
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_end(&mut bytes)?;
        }
        Ok((bytes, child.wait()?))
    }
}

/// Whether the child reads or writes the file.
#[derive(Clone, Copy)]
enum Side {
    Reads,
    Writes,
}

/// The child's file unless inherited, and our end of the pipe, if any.
fn for_child(stdio: Stdio, side: Side) -> Result<(Option<File>, Option<File>)> {
    match stdio {
        Stdio::Inherit => Ok((None, None)),
        Stdio::File(file) => Ok((Some(file), None)),
        Stdio::Piped => {
            let (read, write) = pipe()?;
            Ok(match side {
                Side::Reads => (Some(read), Some(write)),
                Side::Writes => (Some(write), Some(read)),
            })
        }
    }
}

/// A running child.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    /// Our end of the pipe to its standard input, if piped.
    pub stdin: Option<File>,
    /// Our end of the pipe from its standard output, if piped.
    pub stdout: Option<File>,
    /// Our end of the pipe from its standard error, if piped.
    pub stderr: Option<File>,
}

impl Child {
    /// Its process ID.
    pub fn id(&self) -> i32 {
        self.pid
    }

    /// Kills the child.
    ///
    /// # Errors
    /// It has been reaped.
    pub fn kill(&mut self) -> Result<()> {
        kill(self.pid)
    }

    /// Closes the pipe to its standard input and waits for it to exit.
    ///
    /// # Errors
    /// It has been reaped.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.stdin = None;
        wait_for(self.pid)
    }
}
