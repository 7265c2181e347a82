//! Error messages of programs contain the kernel's reason.

use super::disk;
use super::shell::sh;
use abi::Errno;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::format;
use ulib::fs::{self, File};
use ulib::io::{Error, Read};
use ulib::process::{Command, Stdio};
use ulib::string::String;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "reasons" = reasons;
    slow:
    "reasons-disk-full" = disk_full;
};

fn reasons() -> Outcome {
    let words = " a".repeat(abi::MAXARG);
    let many = format!("echo{words}");
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d/f", b"text\n").or_fail("create a file")?;
    for (line, message) in [
        ("d", "sh: d: is a directory"),
        ("d/f", "sh: d/f: cannot run: exec format error"),
        ("d/f/g", "sh: d/f/g: not a directory"),
        ("missing", "sh: missing: not found"),
        (&many, "sh: echo: cannot run: argument list too long"),
        (
            "cat < missing",
            "sh: cannot open missing: no such file or directory",
        ),
        ("echo > d", "sh: cannot open d: is a directory"),
        ("cd d/f", "sh: cannot change to d/f: not a directory"),
        (
            "cat missing",
            "cat: cannot open missing: no such file or directory",
        ),
        ("mkdir d", "mkdir: cannot create d: file exists"),
        ("rm d", "rm: cannot remove d: directory not empty"),
        (
            "ln missing x",
            "ln: cannot link x to missing: no such file or directory",
        ),
        ("ls d/f/g", "ls: cannot list d/f/g: not a directory"),
        (
            "wc missing",
            "wc: cannot read missing: no such file or directory",
        ),
        (
            "grep x missing",
            "grep: cannot read missing: no such file or directory",
        ),
        ("kill 1", "kill: cannot kill 1: operation not permitted"),
        ("kill 999999", "kill: cannot kill 999999: no such process"),
        ("kill x", "kill: x: expected a process ID"),
        ("pmap 999999", "pmap: process 999999: no such process"),
    ] {
        sh(line)?;
        let seen = fs::read_to_string("errors").or_fail("read its errors")?;
        expect!(
            seen.lines().eq([message]),
            "`{line}` to say \"{message}\", saw {seen:?}"
        );
    }
    Ok(())
}

fn disk_full() -> Outcome {
    fs::write("old", b"old").or_fail("write a file")?;
    disk::fill()?;
    let failed = fs::write("new", [b'x'; 4096]);
    expect_eq!(
        failed,
        Err(Error::Kernel(Errno::NoSpace)),
        "writing to a full disk"
    );
    let mut child = Command::new("/cat")
        .arg("/usertests")
        .stdout(File::options().append(true).open("old").or_fail("open")?)
        .stderr(Stdio::Piped)
        .spawn()
        .or_fail("start cat")?;
    let mut said = String::new();
    let mut stderr = child.stderr.take().ok_or("no pipe")?;
    stderr.read_to_string(&mut said).or_fail("read")?;
    let status = child.wait().or_fail("wait")?;
    expect_eq!(status.code(), 1, "status of cat");
    expect_eq!(
        said.as_str(),
        "cat: cannot write: no space left on device\n",
        "what cat says"
    );
    Ok(())
}
