//! `make` and `scripts/xtask`, as users call them.

use super::{Bench, Check, Layer, Log, Outcome};
use crate::{
    image,
    session::{Event, Session, Stderr},
    volume::{Format, Volume},
};
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Time limit of each.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// A check that runs `make` or `scripts/xtask`.
pub(super) fn check(name: &str, work: fn(&Bench, &mut Log) -> Result<()>) -> Check {
    Check::new(name, Layer::Guest(LIMIT), move |bench, log| {
        work(bench, log).map(|()| Outcome::Passed(1))
    })
}

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("piped-session", piped_session),
        check("piped-halt", piped_halt),
        check("typed-ahead", typed_ahead),
        check("exit-status", exit_status),
        check("make-run", make_run),
        check("added-file", added_file),
        check("kept-image", kept_image),
        check("changed-program", changed_program),
        check("memory-key", memory_key),
    ]
}

/// A program of the repository or on the `PATH`, run at the repository's root with these settings.
pub(super) fn front(
    bench: &Bench,
    program: &str,
    arguments: &[&str],
    settings: &[(&str, &str)],
) -> Command {
    let mut command = match program.contains('/') {
        true => Command::new(bench.toolchain.root.join(program)),
        false => Command::new(program),
    };
    command.args(arguments).current_dir(&bench.toolchain.root);
    for setting in [
        "CPUS",
        "MEM",
        "ICOUNT",
        "CMD",
        "ADD",
        "QEMUEXTRA",
        "BOOT",
        "TIMEOUT",
        "KEEP",
        "PROFILE",
        "FEATURES",
        "GDBPORT",
    ] {
        command.env_remove(setting);
    }
    command.envs(settings.iter().copied());
    command
}

/// Runs the command; returns exit status and output.
pub(super) fn finish(log: &mut Log, command: Command, typed: Option<&str>) -> Result<(u8, String)> {
    finish_within(LIMIT, log, command, typed)
}

/// The same, with another time limit.
pub(super) fn finish_within(
    limit: Duration,
    log: &mut Log,
    command: Command,
    typed: Option<&str>,
) -> Result<(u8, String)> {
    writeln!(log, "+ {command:?}")?;
    let deadline = Instant::now() + limit;
    let mut session = Session::start(command, typed.is_some(), Stderr::Console)?;
    if let Some(typed) = typed {
        session.send(typed.as_bytes())?;
        session.close_input();
    }
    let mut output = Vec::new();
    loop {
        match session.next(deadline)? {
            Event::Output(bytes) => {
                log.write_all(&bytes)?;
                output.extend(bytes);
            }
            Event::Ended(status) => {
                writeln!(log, "+ exit status {status}")?;
                return Ok((status, String::from_utf8_lossy(&output).into_owned()));
            }
            Event::Silence => bail!("timeout after {} s", limit.as_secs()),
        }
    }
}

/// `scripts/xtask run` with these settings.
pub(super) fn run(bench: &Bench, log: &mut Log, settings: &[(&str, &str)]) -> Result<(u8, String)> {
    finish(log, front(bench, "scripts/xtask", &["run"], settings), None)
}

pub(super) fn wanted(output: &str, text: &str) -> Result<()> {
    ensure!(output.contains(text), "{text:?} does not appear");
    Ok(())
}

pub(super) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}

/// Input from a pipe is typed, the output appears, and the session ends.
fn piped_session(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("piped.img");
    let make = front(bench, "make", &["-s", "qemu"], &[("KEEP", text(&image)?)]);
    let (status, output) = finish(log, make, Some("echo hi | wc\n"))?;
    wanted(&output, "1 1 3")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    Ok(())
}

/// `halt` ends the session early.
fn piped_halt(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("halted.img");
    let qemu = front(
        bench,
        "scripts/xtask",
        &["qemu"],
        &[("KEEP", text(&image)?)],
    );
    let (status, output) = finish(log, qemu, Some("echo before\nhalt 3\necho after\n"))?;
    wanted(&output, "before")?;
    ensure!(!output.contains("\nafter"), "the machine ran on");
    ensure!(status == 3, "exit status {status}, wanted 3");
    Ok(())
}

/// More input than the serial line buffers, and a program that reads some of it.
fn typed_ahead(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("typed.img");
    let qemu = front(
        bench,
        "scripts/xtask",
        &["qemu"],
        &[("KEEP", text(&image)?)],
    );
    let lines: String = (0..60)
        .map(|n| format!("echo this is the line {n} | cat\n"))
        .collect();
    let (status, output) = finish(log, qemu, Some(&(lines + "wc\nfor wc alone\n")))?;
    for n in 0..60 {
        // The echo of the next line may come first if the guest is slow.
        wanted(&output, &format!("this is the line {n}\r\n"))?;
    }
    wanted(&output, "1 3 13")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    Ok(())
}

/// The exit status is that of the command.
fn exit_status(bench: &Bench, log: &mut Log) -> Result<()> {
    let (status, _) = run(bench, log, &[("CMD", "halt 7")])?;
    ensure!(status == 7, "`halt 7` gave {status}");
    let (status, _) = run(bench, log, &[("CMD", "echo fine; cat no-such-file")])?;
    ensure!(status == 1, "a failing cat gave {status}");
    let (status, output) = run(bench, log, &[("CMD", "cat no-such-file; echo fine")])?;
    wanted(&output, "fine")?;
    ensure!(status == 0, "an echo after a failing cat gave {status}");
    let (status, _) = run(bench, log, &[("CMD", "no-such-program")])?;
    ensure!(status != 0, "a missing program gave 0");
    Ok(())
}

/// `make run` fails if its command does, and passes special characters.
fn make_run(bench: &Bench, log: &mut Log) -> Result<()> {
    let make = front(
        bench,
        "make",
        &["-s", "run", "CMD=echo a$b 'c'; echo d"],
        &[("CPUS", "1")],
    );
    let (status, output) = finish(log, make, None)?;
    wanted(&output, "a$b")?;
    wanted(&output, "d")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    let (status, _) = finish(
        log,
        front(bench, "make", &["-s", "run", "CMD=halt 7"], &[]),
        None,
    )?;
    ensure!(status != 0, "`make run CMD='halt 7'` succeeded");
    Ok(())
}

/// Ctrl-T works while a program takes all memory; the shell survives.
fn memory_key(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("hog.img");
    let settings = [
        ("KEEP", text(&image)?),
        ("MEM", "1G"),
        ("PROFILE", "checked"),
    ];
    let qemu = front(bench, "scripts/xtask", &["qemu"], &settings);
    let typed = "usertests memory-ends\n\x14\necho alive | cat\n";
    let (status, output) = finish(log, qemu, Some(typed))?;
    let (_, dump) = output
        .split_once("\nmemory: ")
        .context("Ctrl-T printed no \"memory:\"")?;
    let words = ["pages of files", "of kmalloc", " switches; ", "init", "sh"];
    words.iter().try_for_each(|word| wanted(dump, word))?;
    let hog = dump.lines().find(|line| line.ends_with("usertests"));
    ensure!(hog.is_some(), "usertests is not in the list of processes");
    wanted(dump, "usertests: out of memory, killed with ")?;
    let answer = dump.lines().any(|line| line.ends_with("alive"));
    ensure!(answer, "the shell does not answer afterwards");
    ensure!(status == 0, "exit status {status}, wanted 0");
    Ok(())
}

/// Host files are copied to the image's root, programs without their underscore.
fn added_file(bench: &Bench, log: &mut Log) -> Result<()> {
    let hello = bench.file("hello.txt", b"hello from the host\n")?;
    let (_, echo) = bench
        .guest(crate::options::Profile::Release)?
        .programs
        .iter()
        .find(|(name, _)| name == "echo")
        .context("there is no echo")?;
    let program = bench.file("_shout", echo)?;
    let files = format!("{} {}", text(&hello)?, text(&program)?);
    let settings = [
        ("CMD", "cat hello.txt; shout it runs"),
        ("ADD", files.as_str()),
    ];
    let (status, output) = run(bench, log, &settings)?;
    wanted(&output, "hello from the host")?;
    wanted(&output, "it runs")?;
    ensure!(status == 0, "exit status {status}, wanted 0");

    let long = bench.file("a-name-of-more-than-14", b"x")?;
    let (status, output) = run(bench, log, &[("CMD", "ls"), ("ADD", text(&long)?)])?;
    ensure!(status != 0, "a name too long for the disk was accepted");
    wanted(&output, "14")?;
    let large = bench.file("large", &vec![1; 269 << 10])?;
    let (status, output) = run(bench, log, &[("CMD", "ls"), ("ADD", text(&large)?)])?;
    ensure!(status != 0, "a file too large for the disk was accepted");
    wanted(&output, "large")
}

/// A kept image has what the guest wrote, and passes fsck.
fn kept_image(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("kept.img");
    let settings = [
        ("CMD", "echo kept well >note; mkdir d; ln note d/same"),
        ("KEEP", text(&image)?),
    ];
    let (status, _) = run(bench, log, &settings)?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    let problems = image::problems(fs::read(&image)?)?;
    ensure!(problems.is_empty(), "fsck: {}", problems.join("; "));
    let note = Volume::open(fs::read(&image)?)?
        .get("note")?
        .context("no file `note`")?;
    ensure!(
        note == b"kept well\n",
        "`note` holds {:?}",
        String::from_utf8_lossy(&note)
    );

    let settings = [("CMD", "rm note; cat d/same"), ("KEEP", text(&image)?)];
    let (status, output) = run(bench, log, &settings)?;
    wanted(&output, "kept well")?;
    ensure!(status == 0, "exit status {status}, wanted 0");
    let fsck = front(bench, "scripts/xtask", &["fsck", text(&image)?], &[]);
    let (status, output) = finish(log, fsck, None)?;
    wanted(&output, "clean")?;
    ensure!(status == 0, "fsck gave {status}");
    Ok(())
}

/// The disk of `make qemu` gets current programs and keeps the user's files.
fn changed_program(bench: &Bench, log: &mut Log) -> Result<()> {
    let image = bench.dir.join("lasting.img");
    let guest = bench.guest(crate::options::Profile::Release)?;
    let mut volume = Volume::open(image::fresh(&bench.toolchain, guest, Format::Plain)?)?;
    volume.put("echo", b"an older program")?;
    volume.put("mine", b"the user's file\n")?;
    fs::write(&image, volume.into_image()?)?;
    let qemu = front(
        bench,
        "scripts/xtask",
        &["qemu"],
        &[("KEEP", text(&image)?)],
    );
    let (_, output) = finish(log, qemu, Some("echo new again\ncat mine\n"))?;
    wanted(&output, "lasting.img: replaced outdated programs: echo\n")?;
    wanted(&output, "\nnew again")?;
    wanted(&output, "the user's file")
}
