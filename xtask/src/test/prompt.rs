//! The interactive prompt: line editing and Ctrl-C.

use super::{
    Bench, Check, Layer, Log, Outcome,
    ends::{no_terminal, on_terminal, read, read_for},
    scenarios::{LIMIT, text},
};
use crate::session::{Session, Stderr};
use anyhow::{Context, Result, ensure};
use std::{io::Write, path::Path, time::Duration};

const CTRL_C: &[u8] = b"\x03";
const CTRL_P: &[u8] = b"\x10";
/// For the kernel to print its state.
const STATE_LIMIT: Duration = Duration::from_secs(20);

pub(super) fn checks() -> Vec<Check> {
    let check =
        |name: &str, work: fn(&mut Terminal<'_>) -> Result<usize>, profile: &'static str| {
            let file = format!("{name}.img");
            Check::new(name, Layer::Guest(LIMIT), move |bench, log| {
                let settings = [("PROFILE", profile)];
                match Terminal::boot(bench, log, &bench.dir.join(&file), &settings)? {
                    Some(mut terminal) => {
                        let passed = work(&mut terminal)?;
                        terminal.leave()?;
                        Ok(Outcome::Passed(passed))
                    }
                    None => Ok(no_terminal()),
                }
            })
        };
    vec![
        check("plain-lines", plain_lines, "release"),
        check("line-editing", line_editing, "checked"),
        check("interrupt-sh", interrupt_shell, "release"),
        check("interrupt-jobs", interrupt_jobs, "checked"),
    ]
}

/// A guest on a terminal, with its shell.
pub(super) struct Terminal<'a> {
    session: Session,
    log: &'a mut Log,
    /// Output not yet examined.
    shown: String,
}

impl<'a> Terminal<'a> {
    /// Boots to the first prompt; `None` without script(1).
    pub(super) fn boot(
        bench: &Bench,
        log: &'a mut Log,
        image: &Path,
        settings: &[(&str, &str)],
    ) -> Result<Option<Terminal<'a>>> {
        let mut all = vec![("KEEP", text(image)?)];
        all.extend(settings);
        let Some(command) = on_terminal(bench, "exec scripts/xtask qemu", &all) else {
            return Ok(None);
        };
        writeln!(log, "+ {command:?}")?;
        let session = Session::start(command, true, Stderr::Console)?;
        let mut terminal = Terminal {
            session,
            log,
            shown: String::new(),
        };
        terminal.shows("init: starting sh\r\n$ ")?;
        Ok(Some(terminal))
    }

    pub(super) fn press(&mut self, keys: &[u8]) -> Result<()> {
        self.session.send(keys)
    }

    /// Waits for the text; returns the output up to its end.
    pub(super) fn shows(&mut self, text: &str) -> Result<String> {
        read(&mut self.session, self.log, &mut self.shown, Some(text))
            .inspect_err(|_| self.log_state())
            .with_context(|| format!("{text:?} does not appear"))?;
        let end = self.shown.find(text).unwrap_or_default() + text.len();
        Ok(self.shown.drain(..end).collect())
    }

    /// Has the kernel print its state (Ctrl-P), for the log of a check that fails.
    fn log_state(&mut self) {
        let _ = self.press(CTRL_P);
        let end = Some("end of state\r\n");
        let _ = read_for(
            STATE_LIMIT,
            &mut self.session,
            self.log,
            &mut self.shown,
            end,
        );
    }

    /// Types the keys; the output must be exactly `answer`.
    fn answers(&mut self, keys: &[u8], answer: &str) -> Result<()> {
        self.press(keys)?;
        let seen = self.shows(answer)?;
        let keys = keys.escape_ascii();
        ensure!(seen == answer, "\"{keys}\": {seen:?}, wanted {answer:?}");
        Ok(())
    }

    /// Starts a command, and waits until the kernel's state (Ctrl-P) contains all of `wanted`.
    pub(super) fn start(&mut self, command: &str, wanted: &[&str]) -> Result<()> {
        self.answers(format!("{command}\r").as_bytes(), &format!("{command}\r\n"))?;
        loop {
            self.press(CTRL_P)?;
            let state = self.shows("end of state\r\n")?;
            if wanted.iter().all(|text| state.contains(text)) {
                return Ok(());
            }
        }
    }

    /// Ctrl-C brings the prompt back, and nothing else appears.
    pub(super) fn interrupt(&mut self) -> Result<()> {
        self.answers(CTRL_C, "^C\r\n$ ")
    }

    pub(super) fn leave(mut self) -> Result<()> {
        self.press(b"\x01x")?;
        read(&mut self.session, self.log, &mut self.shown, None)
    }
}

/// What scripts rely on: echo of each byte, CR LF line ends, ^H, ^U, ^D.
fn plain_lines(terminal: &mut Terminal<'_>) -> Result<usize> {
    let cases: &[(&[u8], &str)] = &[
        (b"echo hello\r", "echo hello\r\nhello\r\n$ "),
        (b"echo lf\n", "echo lf\r\nlf\r\n$ "),
        (
            b"echo ab\x08c\x7f\x7fde\r",
            "echo ab\x08 \x08c\x08 \x08\x08 \x08de\r\nde\r\n$ ",
        ),
        (
            b"wrong\x15echo right\r",
            "wrong\x08 \x08\x08 \x08\x08 \x08\x08 \x08\x08 \x08echo right\r\nright\r\n$ ",
        ),
        (b"\x08\x7f\x15echo\r", "echo\r\n\r\n$ "),
        (b"wc\rtwo words\r\x04", "wc\r\ntwo words\r\n1 2 10\r\n$ "),
        (b"cat\rno end\x04", "cat\r\nno endno end$ "),
        (b"\r", "\r\n$ "),
        (b"echo \x02\x1f\r", "echo \x02\x1f\r\n\x02\x1f\r\n$ "),
    ];
    for (keys, answer) in cases {
        terminal.answers(keys, answer)?;
    }
    // Type-ahead; the prompt and the echo of the last line may come in either order.
    terminal.press(b"echo one; echo two | cat\recho 'thr'ee\r")?;
    for answer in ["one\r\n", "two\r\n", "three\r\n$ "] {
        terminal.shows(answer)?;
    }
    Ok(cases.len() + 1)
}

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";
const RIGHT: &str = "\x1b[C";
const LEFT: &str = "\x1b[D";

/// Cursor keys and history: the shell gets the edited line.
fn line_editing(terminal: &mut Terminal<'_>) -> Result<usize> {
    let cases = [
        (format!("echo wrld{LEFT}{LEFT}{LEFT}o"), "world"),
        ("cho left\x1b[He".into(), "left"),
        ("cho left\x1bOHe\x1bOF right".into(), "left right"),
        (format!("echo xab{LEFT}{LEFT}{LEFT}\x1b[3~"), "ab"),
        (format!("echo abx{LEFT}{RIGHT}\x7f"), "ab"),
        (format!("echo äö{LEFT}\x7fü"), "üö"),
        (format!("echo {LEFT}{LEFT}{LEFT}\x15echo gone"), "gone"),
        ("echo a\x1b[1;5C\x1b[15~\x1bOP\x1b[2~b".into(), "ab"),
        ("echo first".into(), "first"),
        ("echo second".into(), "second"),
        (UP.into(), "second"),
        (format!("{UP}{UP}"), "first"),
        (format!("{UP}{UP}{DOWN} again"), "first again"),
        (format!("echo dra{UP}{UP}{DOWN}{DOWN}{DOWN}ft"), "draft"),
        (format!("{UP}\x7f\x7f\x7f\x7f\x7fnew"), "new"),
    ];
    for (keys, answer) in &cases {
        terminal.press(format!("{keys}\r").as_bytes())?;
        let seen = terminal.shows("\r\n")?;
        let answers = terminal.shows("$ ")?;
        let wanted = format!("{answer}\r\n$ ");
        ensure!(
            answers == wanted,
            "{keys:?}, shown as {seen:?}: {answers:?}, wanted {wanted:?}"
        );
    }
    // Byte for byte: the text after the cursor is redrawn, and the cursor moves back.
    let shown = "echo ab\x08Xb\x08b\r\naXb\r\n$ ";
    terminal.answers(format!("echo ab{LEFT}X\r").as_bytes(), shown)?;
    // Input of programs does not enter the shell's history.
    terminal.answers(b"echo mine\r", "echo mine\r\nmine\r\n$ ")?;
    terminal.answers(b"cat\r", "cat\r\n")?;
    terminal.answers(b"theirs\r", "theirs\r\ntheirs\r\n")?;
    terminal.answers(b"\x04", "$ ")?;
    terminal.answers(UP.as_bytes(), "cat")?;
    terminal.press(format!("{UP}\r").as_bytes())?;
    terminal.shows("mine\r\nmine\r\n$ ")?;
    Ok(cases.len() + 2)
}

/// Ctrl-C for each kind of command, with typed input, and with a background process.
fn interrupt_shell(terminal: &mut Terminal<'_>) -> Result<usize> {
    terminal.start("spin", &[" spin"])?;
    terminal.interrupt()?;
    terminal.answers(b"spin &\r", "spin &\r\n$ ")?;
    let cases: &[(&str, &[&str])] = &[
        ("cat", &[" cat ", "line of input: read"]),
        ("vmstat 1000", &[" vmstat ", " time: sleep"]),
        ("wc | cat", &[" wc ", " cat ", "bytes in a pipe: read"]),
        ("wait", &["bytes in a pipe: read"]),
        ("wc; echo not-this", &[" wc "]),
        ("wc || echo not-this", &[" wc "]),
        ("(wc; echo not-this) | cat", &[" wc ", " cat "]),
    ];
    for (command, state) in cases {
        terminal.start(command, state)?;
        terminal.interrupt()?;
    }
    terminal.start("cat", &[" cat "])?;
    terminal.answers(b"half a line\x03", "half a line^C\r\n$ ")?;
    terminal.answers(b"nothing runs\x03", "nothing runs^C\r\n$ ")?;
    terminal.answers(b"echo alive\r", "echo alive\r\nalive\r\n$ ")?;
    // A nested shell survives, and returns the terminal on exit.
    terminal.answers(b"sh\r", "sh\r\n$ ")?;
    terminal.start("cat", &[" cat "])?;
    terminal.interrupt()?;
    terminal.interrupt()?;
    terminal.answers(b"exit\r", "exit\r\n$ ")?;
    terminal.start("cat", &[" cat "])?;
    terminal.interrupt()?;
    // Also to its sibling in a subshell.
    terminal.answers(b"(sh; cat)\r", "(sh; cat)\r\n$ ")?;
    terminal.start("exit", &[" cat "])?;
    terminal.interrupt()?;
    terminal.press(b"ps\r")?;
    let processes = terminal.shows("ps\r\n$ ")?;
    let names: Vec<&str> = processes
        .lines()
        .filter_map(|line| line.split(' ').next_back())
        .collect();
    let count = |name: &str| names.iter().filter(|&&other| other == name).count();
    ensure!(
        count("spin") == 1,
        "the background process was killed: {names:?}"
    );
    ensure!(
        count("cat") == 0,
        "a foreground process was not killed: {names:?}"
    );
    Ok(cases.len() + 6)
}

/// The guest's `jobtest keys`, pressing the keys that it asks for.
fn interrupt_jobs(terminal: &mut Terminal<'_>) -> Result<usize> {
    terminal.answers(b"jobtest keys\r", "jobtest keys\r\n")?;
    let mut passed = 0;
    loop {
        let line = terminal.shows("\r\n")?;
        if line.starts_with("press Ctrl-C: ") {
            terminal.press(b"a line typed ahead\rhalf a line\x03")?;
        } else if line.starts_with("press only Ctrl-C: ") {
            terminal.press(b"half a line\x03")?;
        } else if line.starts_with("press Enter") {
            terminal.press(b"\r")?;
        } else if line.ends_with(": OK\r\n") {
            passed += 1;
        } else if line.contains("ALL TESTS PASSED") {
            break;
        }
        ensure!(!line.contains("FAILED"), "{line}");
    }
    terminal.shows("$ ")?;
    terminal.answers(b"echo alive\r", "echo alive\r\nalive\r\n$ ")?;
    Ok(passed)
}
