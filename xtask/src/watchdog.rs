//! Shows the state of a guest after a timeout: from the kernel on the console, or if that does not
//! answer the harts' registers from QEMU.

use crate::{
    build::Guest,
    qemu,
    session::{Event, Session},
    symbols::Functions,
};
use anyhow::{Context, Result};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// Ctrl-P: the kernel prints its state.
const KEY: &[u8] = b"\x10";
/// The start of the state's first line, and its last line.
const BEGIN: &str = "state after ";
const END: &str = "end of state";
/// The kernel's words for an unresponsive hart.
const UNTOLD: &str = "does not answer";
/// Longest silence before and between the kernel's lines.
const SILENCE: Duration = Duration::from_secs(4);
/// Time limit for all of it, with programs' output in between.
const LIMIT: Duration = Duration::from_secs(20);

/// How much the kernel reported.
enum Told {
    All,
    /// All but some harts.
    Part,
    Nothing,
}

/// Access to a guest's state from outside.
#[derive(Debug)]
pub(crate) struct Watch {
    monitor: UnixStream,
    kernel: PathBuf,
    /// The directory with the programs' symbols.
    symbols: PathBuf,
}

impl Watch {
    /// Adds a monitor to a QEMU command line, on an anonymous socket.
    pub(crate) fn attach(qemu: &mut Command, guest: &Guest) -> Result<Watch> {
        let (monitor, theirs) = UnixStream::pair()?;
        monitor.set_read_timeout(Some(SILENCE))?;
        let theirs = File::from(OwnedFd::from(theirs));
        let number = theirs.as_raw_fd();
        qemu.args(["-chardev", &format!("socket,id=watch,fd={number}")]);
        qemu.args(["-mon", "chardev=watch,mode=control"]);
        qemu::hand_down(qemu, theirs);
        Ok(Watch {
            monitor,
            kernel: guest.kernel.clone(),
            symbols: guest.symbols(),
        })
    }

    /// Prints the guest's state.
    ///
    /// # Errors
    ///
    /// The sink is closed.
    pub(crate) fn look(&self, session: &mut Session, sink: &mut impl Write) -> Result<()> {
        session.send(KEY)?;
        match self.listen(session, sink)? {
            Told::All => return Ok(()),
            Told::Part => writeln!(sink, "as QEMU sees it:")?,
            Told::Nothing => writeln!(
                sink,
                "\nthe kernel does not report its state; as QEMU sees it:"
            )?,
        }
        match self.registers() {
            Ok(seen) => write!(sink, "{seen}")?,
            Err(error) => writeln!(sink, "QEMU does not answer either: {error:#}")?,
        }
        Ok(sink.flush()?)
    }

    /// Copies the console to the end of the state.
    fn listen(&self, session: &mut Session, sink: &mut impl Write) -> Result<Told> {
        let end = Instant::now() + LIMIT;
        let mut quiet = Instant::now() + SILENCE;
        let mut line = Vec::new();
        let (mut begun, mut told) = (false, Told::All);
        loop {
            let bytes = match session.next(quiet.min(end))? {
                Event::Output(bytes) => bytes,
                // It has ended after all.
                Event::Ended(_) => return Ok(Told::All),
                Event::Silence => Vec::new(),
            };
            for byte in bytes {
                line.push(byte);
                if byte != b'\n' {
                    continue;
                }
                let text = String::from_utf8_lossy(&line).into_owned();
                write!(sink, "{}{}\r\n", text.trim_end(), self.place(&text))?;
                line.clear();
                begun |= text.starts_with(BEGIN);
                if begun {
                    quiet = Instant::now() + SILENCE;
                }
                if text.starts_with("hart ") && text.contains(UNTOLD) {
                    told = Told::Part;
                }
                if begun && text.trim_end() == END {
                    return Ok(sink.flush().map(|()| told)?);
                }
            }
            if Instant::now() >= quiet.min(end) {
                sink.write_all(&line)?;
                return Ok(Told::Nothing);
            }
        }
    }

    /// The function's name for a line about a hart in a program: `hart 1: pid 5 name at 0x1234`.
    fn place(&self, line: &str) -> String {
        let found = || {
            let (_, rest) = line.strip_prefix("hart ")?.split_once(": pid ")?;
            let (program, address) = rest.split_once(' ')?.1.split_once(" at 0x")?;
            let address = u64::from_str_radix(address.trim_end(), 16).ok()?;
            if program.contains('/') {
                return None;
            }
            let file = fs::read(self.symbols.join(program)).ok()?;
            Functions::of(&file).ok()?.at(address)
        };
        found().map_or(String::new(), |name| format!(" {name}"))
    }

    /// QEMU's view of each hart.
    fn registers(&self) -> Result<String> {
        let kernel = fs::read(&self.kernel)?;
        let functions = Functions::of(&kernel)?;
        let answer = self.ask("info registers -a")?;
        Ok(harts(&answer, &functions))
    }

    /// Runs a command of QEMU's monitor (QMP); returns its output.
    fn ask(&self, command: &str) -> Result<String> {
        let mut monitor = &self.monitor;
        monitor.write_all(b"{\"execute\":\"qmp_capabilities\"}\n")?;
        let command = format!(
            "{{\"execute\":\"human-monitor-command\",\"arguments\":{{\"command-line\":\"{command}\"}}}}\n"
        );
        monitor.write_all(command.as_bytes())?;
        for line in BufReader::new(monitor).lines() {
            if let Some((_, answer)) = line?.split_once("{\"return\": \"") {
                return Ok(answer.to_owned());
            }
        }
        None.context("QEMU's monitor is closed")
    }
}

/// A line for each hart: program counter and return address with names, and whether interrupts are
/// off.
fn harts(registers: &str, functions: &Functions) -> String {
    let mut text = String::new();
    for hart in registers.split("CPU#").skip(1) {
        let words: Vec<&str> = hart
            .split(r"\r\n")
            .flat_map(str::split_whitespace)
            .collect();
        let value = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            u64::from_str_radix(words.get(at + 1)?, 16).ok()
        };
        let named = |address: u64| match functions.at(address) {
            Some(name) => format!("{address:#x} {name}"),
            None => format!("{address:#x}"),
        };
        let number = words.first().copied().unwrap_or("?");
        let pc = value("pc").map_or("?".into(), named);
        let ra = value("x1/ra").map_or("?".into(), named);
        let interrupts = match value("mstatus") {
            Some(status) if status & 2 == 0 => ", interrupts off",
            _ => "",
        };
        text += &format!("hart {number}: at {pc}, returns to {ra}{interrupts}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hart_has_a_line() {
        let functions = [
            (0xffff_ffc0_8020_0000, "spins"),
            (0xffff_ffc0_8020_0010, "waits"),
        ];
        let functions = functions.map(|(address, name)| (address, name.to_owned()));
        let functions = Functions::new(functions.into());
        let answer = r"CPU#0\r\n V      =   0\r\n pc       ffffffc080200004\r\n mstatus  \
                       0000000a000000a2\r\n x0/zero  0000000000000000 x1/ra    ffffffc080200012\r\n\r\n\
                       CPU#1\r\n pc       0000000000001000\r\n mstatus  0000000a000000a0\r\n\
                       x1/ra    0000000000000000\r\n";
        assert_eq!(
            harts(answer, &functions),
            "hart 0: at 0xffffffc080200004 spins+0x4, returns to 0xffffffc080200012 waits+0x2\n\
             hart 1: at 0x1000, returns to 0x0, interrupts off\n"
        );
    }
}
