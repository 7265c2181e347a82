//! Processes for tests: isolated in a directory, killed on drop, synchronized.

use super::{Counts, Expect, Outcome};
use programs::cli::Text;
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::process::{self, ExitStatus, Fork};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{env, format, sys};

/// The directory in which a test runs: empty at first, removed afterwards.
pub const SCRATCH: &str = "/scratch.d";

/// Most bytes of a failure message.
const MESSAGE: usize = 600;

/// Runs a test in a child, in a directory of its own, and checks for leaks.
///
/// # Errors
/// The test's failure, an abnormal exit, or a leak.
pub fn isolated(test: impl FnOnce() -> Outcome) -> Outcome {
    let before = Counts::take()?;
    let found = in_child(test);
    found
        .and(remove_scratch())
        .and_then(|()| before.nothing_lost_since())
}

/// Removes a test's directory, if it exists.
pub(super) fn remove_scratch() -> Outcome {
    ends_with(0, "removing the test's directory", || {
        i32::from(remove_tree(Vec::from(SCRATCH)).is_err())
    })
}

fn in_child(test: impl FnOnce() -> Outcome) -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let pid = match process::fork().or_fail("fork")? {
        Fork::Parent(pid) => pid,
        Fork::Child => {
            drop(read);
            let found = fs::create_dir(SCRATCH)
                .and_then(|()| env::set_current_dir(SCRATCH))
                .or_fail("make a directory for the test")
                .and_then(|()| test());
            if let Err(message) = &found {
                // If this fails, the status still shows the failure.
                let _ = write.write_all(message.as_bytes());
            }
            process::exit(i32::from(found.is_err()))
        }
    };
    drop(write);
    // End of file comes when all processes of the test are gone, not only the child.
    let mut message = [0; MESSAGE];
    let mut length = 0;
    let mut rest = [0; 64];
    loop {
        let full = length == MESSAGE;
        let into = if full {
            &mut rest[..]
        } else {
            &mut message[length..]
        };
        match read.read(into).or_fail("read the test's message")? {
            0 => break,
            _ if full => {}
            n => length += n,
        }
    }
    let status = process::wait_for(pid).or_fail("wait for the test")?;
    match (status.code(), length) {
        (0, 0) => Ok(()),
        (_, 0) => Err(format!(
            "expected the test's process to end with status 0, saw {status}"
        )),
        _ => Err(format!("{}", Text(&message[..length]))),
    }
}

/// Removes a file, or a directory with its contents.
fn remove_tree(path: Vec<u8>) -> ulib::io::Result<()> {
    // Changes directory step by step, since a tree may be deeper than the path limit.
    match fs::metadata(&path) {
        Err(_) => return Ok(()),
        Ok(about) if !about.is_dir() => return fs::remove_file(&path),
        Ok(_) => {}
    }
    env::set_current_dir(&path)?;
    for entry in fs::read_dir(".")? {
        let entry = entry?;
        if !matches!(entry.file_name(), b"." | b"..") {
            remove_tree(Vec::from(entry.file_name()))?;
        }
    }
    env::set_current_dir("..")?;
    fs::remove_file(&path)
}

/// A child that is killed and reaped on drop.
#[derive(Debug)]
pub struct Kid {
    pid: Option<i32>,
}

impl Kid {
    /// Starts a child that exits with the result of `run`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn start(run: impl FnOnce() -> i32) -> Result<Kid, String> {
        let pid = process::fork_with(run).or_fail("fork")?;
        Ok(Kid { pid: Some(pid) })
    }

    /// Starts a child that runs until it is killed.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn spinning() -> Result<Kid, String> {
        Kid::start(|| {
            loop {
                core::hint::spin_loop();
            }
        })
    }

    /// Its process ID; -1 if reaped.
    pub fn id(&self) -> i32 {
        self.pid.unwrap_or(-1)
    }

    /// Waits for it to exit.
    ///
    /// # Errors
    /// It is lost.
    pub fn wait(mut self) -> Result<ExitStatus, String> {
        let pid = self.pid.take().unwrap_or(-1);
        process::wait_for(pid).or_fail(format_args!("wait for child {pid}"))
    }

    /// Waits for it to exit, which must be with this status.
    ///
    /// # Errors
    /// It exited otherwise.
    pub fn ends_with(self, expected: i32, what: &str) -> Outcome {
        let seen = self.wait()?.code();
        crate::expect_eq!(seen, expected, "status of the process for {what}");
        Ok(())
    }

    /// Kills it and waits; it must not have exited otherwise.
    ///
    /// # Errors
    /// It could not be killed, or exited otherwise.
    pub fn kill(self, what: &str) -> Outcome {
        process::kill(self.id()).or_fail(format_args!("kill the process for {what}"))?;
        self.ends_with(abi::KILLED, what)
    }
}

impl Drop for Kid {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = process::kill(pid);
            let _ = process::wait_for(pid);
        }
    }
}

/// Runs `run` in a child that must exit with this status.
///
/// # Errors
/// It exited otherwise.
pub fn ends_with(expected: i32, what: &str, run: impl FnOnce() -> i32) -> Outcome {
    Kid::start(run)?.ends_with(expected, what)
}

/// Runs `run` in a child that the kernel must kill.
///
/// # Errors
/// It was not killed.
pub fn dies<T>(what: &str, run: impl FnOnce() -> T) -> Outcome {
    ends_with(abi::KILLED, what, || {
        run();
        0
    })
}

/// A gate at which children wait until it is opened or its owner is gone.
#[derive(Debug)]
pub struct Gate {
    wait: File,
    hold: File,
}

impl Gate {
    /// A closed gate.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new() -> Result<Gate, String> {
        let (wait, hold) = process::pipe().or_fail("create a pipe")?;
        Ok(Gate { wait, hold })
    }

    /// For a child, once: waits until the gate opens.
    pub fn pass(&self) {
        // The child's copy would keep the gate closed.
        sys::close(self.hold.as_raw_fd());
        while matches!((&self.wait).read(&mut [0]), Ok(1..)) {}
    }

    /// For a child that does not use the gate: closes its copy, which would keep the gate closed.
    pub fn leave(&self) {
        sys::close(self.hold.as_raw_fd());
    }

    /// For the parent: lets all children through.
    pub fn open(self) {}
}

/// Counts what children report.
#[derive(Debug)]
pub struct Tally {
    read: File,
    write: File,
}

impl Tally {
    /// No reports yet.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn new() -> Result<Tally, String> {
        let (read, write) = process::pipe().or_fail("create a pipe")?;
        Ok(Tally { read, write })
    }

    /// For a child: reports this byte.
    pub fn report(&self, byte: u8) {
        let _ = (&self.write).write_all(&[byte]);
    }

    /// For the parent, once all children are started: their reports.
    pub fn listen(self) -> Reports {
        Reports { read: self.read }
    }
}

/// The reports of children.
#[derive(Debug)]
pub struct Reports {
    read: File,
}

impl Reports {
    /// Waits for the next report.
    ///
    /// # Errors
    /// All children that could make one are gone.
    pub fn hear(&mut self) -> Result<u8, String> {
        let mut byte = [0];
        self.read
            .read_exact(&mut byte)
            .or_fail("read from a child")?;
        Ok(byte[0])
    }

    /// Counts reports until all children that could make one are gone.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn count(mut self) -> Result<usize, String> {
        let mut buffer = [0; 512];
        let mut count = 0;
        loop {
            match self
                .read
                .read(&mut buffer)
                .or_fail("read from the children")?
            {
                0 => return Ok(count),
                n => count += n,
            }
        }
    }
}
