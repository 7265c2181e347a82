//! `qemu` and `gdb`: a guest with a person in front of it, or a pipe.

use crate::{
    build::{self, SYMBOLS},
    image,
    options::Options,
    qemu::{self, Console, Disk},
    session::{Event, Session, Stderr},
    toolchain::Toolchain,
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::{IsTerminal, Read, Write, stdin, stdout},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
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

/// Boots to a prompt on standard input and output.
pub(crate) fn qemu(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let (qemu, _disk) = machine(toolchain, options, console())?;
    attend(qemu)
}

/// Boots a kernel and an image that somebody else made.
pub(crate) fn boot(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let [kernel, image] = options.rest.as_slice() else {
        bail!("usage: xtask boot KERNEL IMAGE");
    };
    let image = PathBuf::from(image);
    let disk = if options.scratch {
        let contents = fs::read(&image).with_context(|| image.display().to_string())?;
        Disk::scratch(&contents)?
    } else {
        Disk::Kept(image)
    };
    let kernel = &std::path::absolute(kernel)?;
    let console = console();
    let mut qemu = qemu::command(kernel, &disk, &options.hardware, "", console)?;
    if options.wait {
        wait_for_gdb(toolchain, options, kernel, &mut qemu)?;
    }
    attend(qemu)
}

fn console() -> Console {
    match stdin().is_terminal() {
        true => Console::Terminal,
        false => Console::Stdio,
    }
}

/// Leaves a terminal to QEMU, or types what comes through a pipe.
fn attend(mut qemu: Command) -> Result<u8> {
    if stdin().is_terminal() {
        return Err(qemu.exec()).context("QEMU could not be started");
    }
    let session = Session::start(qemu, true, Stderr::Ours)?;
    Typist::new(session, lines()).run()
}

/// Boots, stops before the first instruction, and waits for gdb.
pub(crate) fn gdb(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let (mut qemu, _disk) = machine(toolchain, options, Console::Terminal)?;
    let dir = build::directory(options.profile, &options.features);
    let kernel = toolchain.target_dir().join("pagoda").join(dir);
    wait_for_gdb(toolchain, options, &kernel.join("kernel"), &mut qemu)?;
    Err(qemu.exec()).context("QEMU could not be started")
}

/// Lets QEMU wait for gdb, and writes down what gdb must know.
fn wait_for_gdb(
    toolchain: &Toolchain,
    options: &Options,
    kernel: &Path,
    qemu: &mut Command,
) -> Result<()> {
    let port = options.gdb_port;
    qemu.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    // gdb may run elsewhere.
    let kernel = fs::canonicalize(kernel).with_context(|| kernel.display().to_string())?;
    let script = gdb_script(&kernel, &toolchain.target_dir().join(SYMBOLS), port);
    build::replace(
        &toolchain.target_dir().join("pagoda/connect.gdb"),
        script.as_bytes(),
    )?;
    let root = toolchain.root.display();
    eprintln!("in another terminal, in {root}: gdb-multiarch -nx -x .gdbinit");
    Ok(())
}

/// What `.gdbinit` cannot know: the profile and the port. Programs' symbols come one at a time, since
/// all programs are linked at the same address.
fn gdb_script(kernel: &Path, programs: &Path, port: u16) -> String {
    let (kernel, programs) = (kernel.display(), programs.display());
    format!(
        "symbol-file \"{kernel}\"
define user
  symbol-file
  symbol-file \"{kernel}\"
  add-symbol-file \"{programs}/$arg0\"
end
target remote 127.0.0.1:{port}
"
    )
}

fn machine(toolchain: &Toolchain, options: &Options, console: Console) -> Result<(Command, Disk)> {
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let image = options
        .keep
        .clone()
        .unwrap_or_else(|| toolchain.target_dir().join("fs.img"));
    let disk = image::lasting(toolchain, &guest, &image, &options.add)?;
    let qemu = qemu::command(&guest.kernel, &disk, &options.hardware, "", console)?;
    Ok((qemu, disk))
}

/// Standard input as it comes, cut behind the end of each line.
fn lines() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdin().read(&mut buffer) {
            for line in buffer[..count].split_inclusive(|&byte| byte == b'\n') {
                if sender.send(line.to_vec()).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Feeds a pipe to the console the way a person types: not before there is a shell, and line by
/// line, each when the one before was dealt with, since a serial line cannot hold much. When the
/// input ends so does the session: with the shell, which init then starts anew.
struct Typist {
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
    fn new(session: Session, lines: Receiver<Vec<u8>>) -> Typist {
        Typist {
            session,
            lines,
            tail: Vec::new(),
            shells: 0,
            stage: Stage::Booting,
        }
    }

    fn run(mut self) -> Result<u8> {
        loop {
            match self.session.next(Instant::now() + QUIET)? {
                Event::Ended(status) => return Ok(status),
                Event::Output(bytes) => {
                    let mut console = stdout().lock();
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
                println!();
                return Ok(0);
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
