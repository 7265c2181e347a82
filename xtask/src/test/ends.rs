//! However make, shells, scripts or xtask are killed, no guest outlives them.

use super::{
    Bench, Check, Layer, Log, Outcome,
    scenarios::{LIMIT, front, text, wanted},
};
use crate::{
    session::{Event, Session, Stderr},
    ties::Process,
};
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::Write,
    process::Command,
    thread,
    time::{Duration, Instant},
};

/// As truncated in /proc.
const QEMU: &str = "qemu-system-ris";
/// For env: do not inherit an ignored SIGHUP, as under nohup.
const HEARS: &str = "--default-signal=HUP";
/// Time for a guest to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Polling interval.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) fn checks() -> Vec<Check> {
    let check = |name: &str, work: fn(&Bench, &mut Log) -> Result<Outcome>| {
        Check::new(name, Layer::Guest(LIMIT), work)
    };
    vec![
        check("ends-with-caller", with_caller),
        check("ends-with-terminal", with_terminal),
        check("terminal-restored", restored),
    ]
}

/// The descendants of a process, with their names.
struct Family(Vec<(Pid, String)>);

impl Family {
    /// Waits until one of them is a guest.
    fn with_guest(session: &mut Session, log: &mut Log) -> Result<Family> {
        let deadline = Instant::now() + LIMIT;
        loop {
            match session.next(Instant::now() + PAUSE)? {
                Event::Output(bytes) => log.write_all(&bytes)?,
                Event::Ended(status) => bail!("it exited with {status} before the guest started"),
                Event::Silence => {}
            }
            let family = Family::below(session.id());
            if family.has_guest() {
                writeln!(log, "+ {:?}", family.0)?;
                return Ok(family);
            }
            ensure!(Instant::now() < deadline, "no guest started");
        }
    }

    fn below(top: Pid) -> Family {
        let mut all = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            let pid = number.and_then(Pid::from_raw);
            all.extend(pid.and_then(|pid| Some((pid, Process::read(pid)?))));
        }
        let mut family: Vec<(Pid, String)> = Vec::new();
        let mut next = all.iter().position(|(pid, _)| *pid == top);
        while let Some(place) = next {
            let (pid, process) = all.swap_remove(place);
            family.push((pid, process.name));
            let in_family = |parent| family.iter().any(|(pid, _)| Some(*pid) == parent);
            next = all
                .iter()
                .position(|(_, process)| in_family(process.parent));
        }
        Family(family)
    }

    /// Whether QEMU runs a kernel, not `--version` for the setup.
    fn has_guest(&self) -> bool {
        self.find(QEMU).is_ok_and(|pid| {
            let path = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
            let line = fs::read(path).unwrap_or_default();
            line.split(|&byte| byte == 0).any(|word| word == b"-kernel")
        })
    }

    /// The one with this name.
    fn find(&self, name: &str) -> Result<Pid> {
        let found = self.0.iter().find(|(_, other)| other == name);
        let (pid, _) = found.with_context(|| format!("there is no {name}"))?;
        Ok(*pid)
    }

    /// Waits until all of them have ended.
    fn ends(&self, after: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lives = |pid: Pid| Process::read(pid).is_some_and(|process| !process.ended);
            let left = self.0.iter().filter(|(pid, _)| lives(*pid));
            let left: Vec<&str> = left.map(|(_, name)| name.as_str()).collect();
            if left.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let names = left.join(", ");
                let seconds = PATIENCE.as_secs();
                self.kill();
                bail!("{seconds} s after {after} there were still: {names}");
            }
            thread::sleep(PAUSE);
        }
    }

    fn kill(&self) {
        for (pid, _) in &self.0 {
            let _ = kill_process(*pid, Signal::KILL);
        }
    }
}

/// Starts the command, waits for the guest, and sends the signal to the named process.
pub(super) fn strike(log: &mut Log, command: Command, name: &str, signal: Signal) -> Result<()> {
    writeln!(log, "+ {command:?}")?;
    let mut session = Session::start(command, true, Stderr::Console)?;
    let family = Family::with_guest(&mut session, log)?;
    let struck = family.find(name).inspect_err(|_| family.kill())?;
    kill_process(struck, signal)?;
    family.ends(&format!("{name} got {signal:?}"))
}

/// Without a terminal: a script runs make, which runs xtask.
fn with_caller(bench: &Bench, log: &mut Log) -> Result<Outcome> {
    let cases = [
        ("sh", Signal::KILL),
        ("sh", Signal::HUP),
        ("make", Signal::HUP),
        ("make", Signal::TERM),
        ("make", Signal::KILL),
        ("xtask", Signal::TERM),
        ("xtask", Signal::KILL),
    ];
    for (name, signal) in cases {
        let line = [HEARS, "sh", "-c", "make -s run; exit 9"];
        let script = front(bench, "env", &line, &[("CMD", "cat")]);
        strike(log, script, name, signal)?;
    }
    Ok(Outcome::Passed(cases.len()))
}

/// A command line on a terminal of its own, which closes when this process ends; `None` without
/// script(1).
pub(super) fn on_terminal(bench: &Bench, line: &str, settings: &[(&str, &str)]) -> Option<Command> {
    Command::new("script").arg("--version").output().ok()?;
    let line = [HEARS, "script", "-qec", line, "/dev/null"];
    let mut script = front(bench, "env", &line, settings);
    script.env("SHELL", "/bin/sh");
    Some(script)
}

pub(super) fn no_terminal() -> Outcome {
    Outcome::Skipped("there is no script(1) to make a terminal with".into())
}

/// On a terminal with make as session leader, which alone gets the SIGHUP.
fn with_terminal(bench: &Bench, log: &mut Log) -> Result<Outcome> {
    let image = bench.dir.join("ends.img");
    let port = (20_000 + std::process::id() % 10_000).to_string();
    let settings = [("KEEP", text(&image)?), ("GDBPORT", &port), ("CMD", "cat")];
    let cases = [
        ("qemu", "script", Signal::KILL),
        ("qemu-gdb", "script", Signal::KILL),
        ("run", "script", Signal::KILL),
        ("qemu", "make", Signal::HUP),
        ("qemu", "make", Signal::KILL),
        ("qemu", "xtask", Signal::HUP),
    ];
    for (verb, name, signal) in cases {
        let Some(command) = on_terminal(bench, &format!("exec make -s {verb}"), &settings) else {
            return Ok(no_terminal());
        };
        strike(log, command, name, signal)?;
    }
    Ok(Outcome::Passed(cases.len()))
}

/// However the guest ends, the terminal's settings are restored.
fn restored(bench: &Bench, log: &mut Log) -> Result<Outcome> {
    let image = bench.dir.join("restored.img");
    let settings = [("KEEP", text(&image)?)];
    let line = "stty -g; scripts/xtask qemu; echo status $?; stty -g";
    for (leave, status) in [(Leave::Keys, 0), (Leave::Signal, 143)] {
        let Some(command) = on_terminal(bench, line, &settings) else {
            return Ok(no_terminal());
        };
        writeln!(log, "+ {command:?}")?;
        let mut session = Session::start(command, true, Stderr::Console)?;
        let family = Family::with_guest(&mut session, log)?;
        let mut output = String::new();
        read(&mut session, log, &mut output, Some("init: starting sh"))?;
        match leave {
            Leave::Keys => session.send(b"\x01x")?,
            Leave::Signal => kill_process(family.find("xtask")?, Signal::TERM)?,
        }
        read(&mut session, log, &mut output, None)?;
        wanted(&output, &format!("status {status}\r"))?;
        let is_settings = |line: &&str| line.matches(':').count() > 10;
        let all = log.text();
        let lines: Vec<&str> = all.lines().filter(is_settings).collect();
        let [.., before, after] = lines.as_slice() else {
            bail!("stty printed nothing");
        };
        ensure!(before == after, "the terminal's settings were not restored");
    }
    Ok(Outcome::Passed(2))
}

/// How to end the guest.
enum Leave {
    Keys,
    Signal,
}

/// Reads the console until the text appears, or to its end.
pub(super) fn read(
    session: &mut Session,
    log: &mut Log,
    output: &mut String,
    text: Option<&str>,
) -> Result<()> {
    read_for(LIMIT, session, log, output, text)
}

/// Reads the console until the text appears, or to its end, for at most this time.
pub(super) fn read_for(
    limit: Duration,
    session: &mut Session,
    log: &mut Log,
    output: &mut String,
    text: Option<&str>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while text.is_none_or(|text| !output.contains(text)) {
        match session.next(deadline)? {
            Event::Output(bytes) => {
                log.write_all(&bytes)?;
                output.push_str(&String::from_utf8_lossy(&bytes));
            }
            Event::Ended(_) if text.is_none() => return Ok(()),
            Event::Ended(status) => bail!("it exited with {status}"),
            Event::Silence => bail!("timeout after {} s", limit.as_secs()),
        }
    }
    Ok(())
}
