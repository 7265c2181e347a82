//! Invalid settings: one line says why, and the files that they name are unchanged.

use super::{
    Bench, Check, Log,
    scenarios::{check, finish, front, run, text, wanted},
};
use crate::options::Profile;
use anyhow::{Context, Result, ensure};
use std::{fs, net::TcpListener};

pub(super) fn checks() -> Vec<Check> {
    vec![
        check("least-memory", least_memory),
        check("busy-port", busy_port),
        check("no-image", no_image),
        check("no-file-system", no_file_system),
    ]
}

/// The output must be one line with these words.
fn one_line(status: u8, output: &str, words: &str) -> Result<()> {
    wanted(output, words)?;
    let lines: Vec<&str> = output.lines().collect();
    ensure!(lines.len() == 1, "{} lines instead of one", lines.len());
    ensure!(status == 1, "exit status {status}, wanted 1");
    Ok(())
}

/// The least memory works with the most harts; with less there is an error.
fn least_memory(bench: &Bench, log: &mut Log) -> Result<()> {
    for size in ["0", "1K", "4M"] {
        let (status, output) = run(bench, log, &[("MEM", size), ("CMD", "ls")])?;
        one_line(
            status,
            &output,
            &format!("MEM={size}: Pagoda needs at least 5M"),
        )?;
    }
    for (profile, cpus) in [("release", "1"), ("checked", "8")] {
        let settings = [
            ("MEM", "5M"),
            ("CPUS", cpus),
            ("PROFILE", profile),
            ("CMD", "ls | wc; echo it runs"),
        ];
        let (status, output) = run(bench, log, &settings)?;
        wanted(&output, "\nit runs")?;
        ensure!(status == 0, "exit status {status} with 5M, wanted 0");
    }
    Ok(())
}

/// A busy gdb port is refused.
fn busy_port(bench: &Bench, log: &mut Log) -> Result<()> {
    let busy = TcpListener::bind(("127.0.0.1", 0))?;
    let port = busy.local_addr()?.port().to_string();
    let gdb = front(bench, "scripts/xtask", &["gdb"], &[("GDBPORT", &port)]);
    let (status, output) = finish(log, gdb, None)?;
    one_line(
        status,
        &output,
        &format!("GDBPORT={port}: the port is in use"),
    )?;
    let gdb = front(bench, "scripts/xtask", &["gdb"], &[("GDBPORT", "99999")]);
    let (status, output) = finish(log, gdb, None)?;
    one_line(
        status,
        &output,
        "GDBPORT=99999: expected a port from 1 to 65535",
    )
}

/// A file that is no image is refused and unchanged.
fn no_image(bench: &Bench, log: &mut Log) -> Result<()> {
    // Build first, so that the build prints nothing here.
    bench.guest(Profile::Release)?;
    let notes = "notes of a course\n".repeat(1000);
    let file = bench.file("notes.txt", notes.as_bytes())?;
    let settings = [("KEEP", text(&file)?), ("CMD", "ls"), ("ADD", "README.md")];
    for (verb, settings) in [
        ("run", &settings[..2]),
        ("run", &settings),
        ("qemu", &settings[..1]),
    ] {
        let command = front(bench, "scripts/xtask", &[verb], settings);
        let (status, output) = finish(log, command, Some(""))?;
        let name = file.display();
        one_line(
            status,
            &output,
            &format!("{name} cannot be used as a disk: "),
        )?;
        ensure!(fs::read(&file)? == notes.as_bytes(), "the file has changed");
    }
    Ok(())
}

/// The kernel without a file system, and without a disk: an error and an exit status, no panic.
fn no_file_system(bench: &Bench, log: &mut Log) -> Result<()> {
    let disk = bench.file("zeroes.img", &[0; 1 << 20])?;
    for profile in [Profile::Release, Profile::Checked] {
        let kernel = &bench.guest(profile)?.kernel;
        let arguments = ["boot", text(kernel)?, text(&disk)?, "--scratch"];
        let command = front(bench, "scripts/xtask", &arguments, &[]);
        let (status, output) = finish(log, command, Some(""))?;
        let (_, said) = output
            .split_once("cannot start: ")
            .context("no \"cannot start\"")?;
        wanted(
            said,
            "the disk has no valid xv6 file system (superblock: not an xv6 file system)",
        )?;
        ensure!(
            said.lines().count() == 1 && !output.contains("panic"),
            "more than the reason is printed"
        );
        ensure!(status == 102, "exit status {status}, wanted 102");
    }
    Ok(())
}
