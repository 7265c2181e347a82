//! Images that xtask did not make: only the guest changes them, and command lines run on them.

use super::{
    Bench, Check, Layer, Log, Outcome,
    prompt::Terminal,
    scenarios::{LIMIT, finish, front, run, text, wanted},
};
use crate::{
    c::Compiler,
    image,
    options::Profile,
    run::TIMED_OUT,
    volume::{Format, Volume},
};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Image size, about that of xv6.
const SIZE: usize = 2 << 20;
/// A file in place of one of our programs.
const OTHER: &[u8] = b"this is no program of Pagoda's\n";

pub(super) fn checks() -> Vec<Check> {
    let check = |name: &str, work: fn(&Bench, &mut Log, &Path) -> Result<()>| {
        let file = format!("{name}.img");
        Check::new(name, Layer::Guest(LIMIT), move |bench, log| {
            if Compiler::find().is_none() {
                let reason = "no C compiler for the guest; `scripts/setup c` installs one";
                return Ok(Outcome::Skipped(reason.into()));
            }
            let image = bench.dir.join(&file);
            fs::write(&image, make(bench)?)?;
            work(bench, log, &image).map(|()| Outcome::Passed(1))
        })
    };
    vec![
        check("foreign-stays", stays),
        check("foreign-run", runs),
        check("foreign-ends", ends),
        check("foreign-interrupt", interrupt),
    ]
}

/// An image with an init and a shell like xv6's, and programs.
fn make(bench: &Bench) -> Result<Vec<u8>> {
    let dir = bench.toolchain.root.join("user/c/tests/foreign");
    let sources: [PathBuf; 2] = ["init.c", "sh.c"].map(|name| dir.join(name));
    let empty = Volume::format(SIZE, Format::Plain)?.into_image()?;
    let mut volume = Volume::open(image::with_files(&bench.toolchain, empty, &sources)?)?;
    for name in ["cat", "echo", "kmalloctest", "ps", "spin", "vmstat"] {
        let mut programs = bench.guest(Profile::Release)?.programs.iter();
        let found = programs.find(|(program, _)| program == name);
        let (_, program) = found.with_context(|| format!("there is no {name}"))?;
        volume.put(name, program)?;
    }
    volume.put("ls", OTHER)?;
    volume.into_image()
}

/// Two boots to a prompt: the first creates the console node, the second writes nothing.
fn stays(bench: &Bench, log: &mut Log, image: &Path) -> Result<()> {
    let before = fs::read(image)?;
    let qemu = |log: &mut Log| {
        let settings = [("KEEP", text(image)?)];
        let (status, output) = finish(
            log,
            front(bench, "scripts/xtask", &["qemu"], &settings),
            Some("echo it is the\n"),
        )?;
        wanted(&output, "\nit is the")?;
        wanted(&output, "not made by xtask: its programs are kept")?;
        ensure!(status == 0, "exit status {status}, wanted 0");
        Ok(())
    };
    qemu(log)?;
    let between = fs::read(image)?;
    let (mut old, mut new) = (Volume::open(before)?, Volume::open(between.clone())?);
    for name in ["init", "sh", "cat", "echo", "ls"] {
        ensure!(new.get(name)? == old.get(name)?, "{name} has changed");
    }
    ensure!(new.get("free")?.is_none(), "a program was added");
    qemu(log)?;
    ensure!(
        fs::read(image)? == between,
        "the image has changed though the guest wrote nothing"
    );

    // Only the added file is copied.
    let note = bench.file("foreign-note", b"a note from the host\n")?;
    let settings = [("KEEP", text(image)?), ("ADD", text(&note)?)];
    let command = front(bench, "scripts/xtask", &["qemu"], &settings);
    let (_, output) = finish(log, command, Some("cat foreign-note\n"))?;
    wanted(&output, "\na note from the host")?;
    let ls = Volume::open(fs::read(image)?)?.get("ls")?;
    ensure!(ls.as_deref() == Some(OTHER), "ls has changed");
    Ok(())
}

/// A command line is typed to the shell; what it writes stays.
fn runs(bench: &Bench, log: &mut Log, image: &Path) -> Result<()> {
    let keep = ("KEEP", text(image)?);
    let (status, output) = run(bench, log, &[keep, ("CMD", "echo costs 5$ or $ 6")])?;
    wanted(&output, "the command line is typed to its shell")?;
    wanted(&output, "\ncosts 5$ or $ 6")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    run(
        bench,
        log,
        &[keep, ("CMD", "echo kept well > note\necho twice > other")],
    )?;
    // A program that reads input gets the following lines, then the end of input.
    let (status, output) = run(
        bench,
        log,
        &[keep, ("CMD", "cat note other\ncat\necho after")],
    )?;
    wanted(&output, "\nkept well")?;
    wanted(&output, "\ntwice")?;
    wanted(&output, "\necho after\r\necho after")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    let problems = image::problems(fs::read(image)?)?;
    ensure!(problems.is_empty(), "fsck: {}", problems.join("; "));
    Ok(())
}

/// Ctrl-C without process groups: it ends what the shell waits for, but not orphans.
fn interrupt(bench: &Bench, log: &mut Log, image: &Path) -> Result<()> {
    let terminal = Terminal::boot(bench, log, image, &[])?;
    let mut terminal = terminal.context("there is no script(1) to make a terminal with")?;
    terminal.start("spin", &[" spin"])?;
    terminal.interrupt()?;
    // The prompt is there when the shell reads again.
    let behind = ["      1 run ", " spin", "line of input: read"];
    terminal.start("spin &", &behind)?;
    terminal.start("cat", &[" cat ", "line of input: read"])?;
    terminal.press(b"half a line\x03")?;
    terminal.shows("^C\r\n$ ")?;
    terminal.interrupt()?;
    // History works here, too.
    terminal.press(b"\x1b[A")?;
    terminal.shows("cat")?;
    terminal.press(b"\x15ps\r")?;
    let processes = terminal.shows("ps\r\n$ ")?;
    let has = |name: &str| processes.lines().any(|line| line.ends_with(name));
    ensure!(
        has(" spin") && has(" sh"),
        "the background process was killed"
    );
    ensure!(!has(" cat"), "the foreground process was not killed");
    terminal.leave()
}

/// Other ends: a panic, a timeout, a line too long.
fn ends(bench: &Bench, log: &mut Log, image: &Path) -> Result<()> {
    let keep = ("KEEP", text(image)?);
    let (status, output) = run(bench, log, &[keep, ("CMD", "kmalloctest panic")])?;
    wanted(&output, "panic: kmalloc: 4097 bytes asked")?;
    ensure!(status == 101, "exit status {status} of a panic, wanted 101");
    let (status, _) = run(bench, log, &[keep, ("CMD", "vmstat 1"), ("TIMEOUT", "4")])?;
    ensure!(
        status == TIMED_OUT,
        "exit status {status}, wanted {TIMED_OUT}"
    );
    let line = format!("echo {}", "x".repeat(94));
    let (status, output) = run(bench, log, &[keep, ("CMD", &line)])?;
    wanted(&output, "at most 98 bytes; this one has 99")?;
    ensure!(status == 1, "exit status {status} of a line too long");
    let (status, output) = run(bench, log, &[keep, ("CMD", &line[1..])])?;
    wanted(&output, "exec cho failed")?;
    ensure!(status == 0, "exit status {status} of a line that just fits");
    Ok(())
}
