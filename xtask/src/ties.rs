//! Ties lifetimes: this process ends with its ancestors, and its children with it. No guest runs
//! on, however make, shells, scripts or xtask end.

use rustix::{
    io::Errno,
    process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal},
};
use std::{
    fs::{self, File},
    io::Error,
    os::unix::process::CommandExt,
    process::Command,
    thread,
    time::Duration,
};

/// Polling interval for the ancestors.
const PAUSE: Duration = Duration::from_millis(300);

/// Makes the child end with the calling thread.
pub(crate) fn tie(child: &mut Command) {
    let parent = getpid();
    let prepare = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before the call above.
        if getppid() != Some(parent) {
            return Err(Error::from_raw_os_error(Errno::SRCH.raw_os_error()));
        }
        Ok(())
    };
    // SAFETY: between fork and exec only async-signal-safe functions may run: `prepare` makes two
    // system calls, takes no lock and allocates nothing (an error made of a number needs no memory).
    unsafe { child.pre_exec(prepare) };
}

/// Sends this process SIGHUP when its terminal closes or an ancestor ends. A closed terminal
/// signals only the session leader, and make does not forward SIGHUP.
///
/// `before` has the ancestors at the start of the script that became this process, if any. If
/// SIGHUP is ignored, as under nohup, nothing is watched.
pub(crate) fn watch(before: Option<Vec<Pid>>) {
    if Process::read(getpid()).is_some_and(|own| own.ignored & bit(Signal::HUP) != 0) {
        return;
    }
    let (before, terminal) = (before.or_else(above), has_terminal());
    thread::spawn(move || {
        let left = || before.is_none() || above() != before || terminal && !has_terminal();
        // One look may hit a process between two states; two equal looks are reliable.
        let mut looks = 0;
        while looks < 2 {
            thread::sleep(PAUSE);
            looks = if left() { looks + 1 } else { 0 };
        }
        let _ = kill_process(getpid(), Signal::HUP);
    });
}

/// The ancestors, parent first; `None` if one of them is ending.
fn above() -> Option<Vec<Pid>> {
    let mut above = Vec::new();
    let mut next = getppid();
    while let Some(pid) = next {
        above.push(pid);
        // Other users' processes may be hidden.
        let process = Process::read(pid);
        if process.as_ref().is_some_and(Process::is_ending_make) {
            return None;
        }
        next = process.and_then(|process| process.parent);
    }
    Some(above)
}

/// Whether there is a controlling terminal with an open other end.
fn has_terminal() -> bool {
    let gone = [Errno::NXIO, Errno::IO].map(Errno::raw_os_error);
    match File::open("/dev/tty") {
        Ok(_) => true,
        Err(error) => !error
            .raw_os_error()
            .is_some_and(|code| gone.contains(&code)),
    }
}

const fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// A process's status in /proc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) parent: Option<Pid>,
    /// A zombie.
    pub(crate) ended: bool,
    /// Signal sets.
    ignored: u64,
    caught: u64,
}

impl Process {
    /// The process with this ID, if any.
    pub(crate) fn read(pid: Pid) -> Option<Process> {
        let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_pid())).ok()?;
        Process::parse(&status)
    }

    fn parse(status: &str) -> Option<Process> {
        let field = |name: &str| {
            let value = |line: &str| {
                line.strip_prefix(name)?
                    .strip_prefix(":\t")
                    .map(str::to_owned)
            };
            status.lines().find_map(value)
        };
        let set = |name: &str| u64::from_str_radix(&field(name)?, 16).ok();
        Some(Process {
            name: field("Name")?,
            parent: Pid::from_raw(field("PPid")?.parse().ok()?),
            ended: field("State")?.starts_with(['Z', 'X']),
            ignored: set("SigIgn")?,
            caught: set("SigCgt")?,
        })
    }

    /// Whether this is GNU make after a fatal signal. It then waits for its children without
    /// forwarding most signals, and no longer catches that signal.
    fn is_ending_make(&self) -> bool {
        let signals = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].map(bit);
        let caught = |signal: &u64| self.caught & signal != 0;
        let left = |signal: &u64| (self.caught | self.ignored) & signal == 0;
        ["make", "gmake"].contains(&self.name.as_str())
            && signals.iter().any(caught)
            && signals.iter().any(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(name: &str, ignored: &str, caught: &str) -> Process {
        Process::parse(&format!(
            "Name:\t{name}\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t70\nPid:\t70\nPPid:\t41\n\
             SigBlk:\t0000000000000000\nSigIgn:\t{ignored}\nSigCgt:\t{caught}\n"
        ))
        .unwrap()
    }

    #[test]
    fn status_is_parsed() {
        let make = process("make", "0000000000001000", "0000000000014003");
        assert_eq!(make.name, "make");
        assert_eq!(make.parent, Pid::from_raw(41));
        assert_eq!((make.ignored, make.caught), (0x1000, 0x14003));
        assert!(!make.ended);
        assert_eq!(Process::parse("Name:\tmake\n"), None);
        let this = Process::read(getpid()).unwrap();
        assert_eq!(this.parent, getppid());
    }

    #[test]
    fn an_ending_make_is_recognised() {
        let nothing = "0000000000000000";
        let all = "0000000000004007";
        assert!(!process("make", nothing, all).is_ending_make());
        // Under nohup.
        assert!(!process("make", "0000000000000001", "0000000000004006").is_ending_make());
        assert!(process("make", nothing, "0000000000004006").is_ending_make());
        assert!(process("make", nothing, "0000000000000007").is_ending_make());
        // Another program of that name, and another program.
        assert!(!process("make", nothing, nothing).is_ending_make());
        assert!(!process("bash", nothing, "0000000000004006").is_ending_make());
    }

    #[test]
    fn ancestors_start_with_the_parent() {
        assert_eq!(above().unwrap().first().copied(), getppid());
    }
}
