//! Debugging: source lines of a panic's addresses, and gdb.

use super::{
    Bench, Check, Layer, Log, Outcome,
    ends::read,
    scenarios::{LIMIT, finish, front, run, text, wanted},
};
use crate::{
    build::SYMBOLS,
    c::Compiler,
    interactive::gdb_script,
    options::Profile,
    session::{Session, Stderr},
};
use anyhow::{Context, Result, ensure};
use std::{fs, io::Write, process::Command};

/// Debuggers with RISC-V support.
const DEBUGGERS: [&str; 2] = ["gdb-multiarch", "riscv64-unknown-elf-gdb"];

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("panic-lines", Layer::Guest(LIMIT), |bench, log| {
            panic_lines(bench, log).map(|()| Outcome::Passed(1))
        }),
        check("gdb-kernel", kernel),
        check("gdb-fault", fault),
        check("gdb-program", program),
    ]
}

/// A check that is skipped where there is no gdb.
fn check(name: &str, work: fn(&Bench, &mut Log, Debugger) -> Result<Outcome>) -> Check {
    let name = name.to_owned();
    Check::new(
        name.clone(),
        Layer::Host,
        move |bench, log| match Debugger::find(&name) {
            Some(debugger) => work(bench, log, debugger),
            None => Ok(Outcome::Skipped(format!(
                "there is no {} or {}",
                DEBUGGERS[0], DEBUGGERS[1]
            ))),
        },
    )
}

/// Each line of a backtrace has its file and line.
fn panic_lines(bench: &Bench, log: &mut Log) -> Result<()> {
    for profile in ["release", "checked"] {
        let settings = [("CMD", "kmalloctest panic"), ("PROFILE", profile)];
        let (status, output) = run(bench, log, &settings)?;
        ensure!(status == 101, "exit status {status} of a panic, wanted 101");
        wanted(
            &output,
            "panic: kmalloc: 4097 bytes asked, at most 4096\r\n",
        )?;
        backtrace(&output)?;
        wanted(&output, " at kernel/src/syscall/")?;
    }
    Ok(())
}

fn backtrace(output: &str) -> Result<()> {
    let (_, lines) = output
        .split_once("backtrace:\r\n")
        .context("no backtrace")?;
    let lines: Vec<&str> = lines
        .lines()
        .take_while(|line| line.starts_with("  "))
        .collect();
    ensure!(lines.len() > 2, "a backtrace of {} lines", lines.len());
    for line in lines {
        let mut words = line.split([' ', ':']);
        ensure!(
            words.any(|word| word.ends_with(".rs")),
            "no file in {line:?}"
        );
    }
    Ok(())
}

/// A gdb and a port for a guest.
struct Debugger {
    program: &'static str,
    name: String,
    port: u16,
}

impl Debugger {
    fn find(name: &str) -> Option<Debugger> {
        let here = |program: &&&str| Command::new(program).arg("--version").output().is_ok();
        // A port for each check, by the length of its name, below the ephemeral ports.
        let port = 30_000 + (std::process::id() as usize * 16 + name.len()) % 2_700;
        Some(Debugger {
            program: DEBUGGERS.iter().find(here)?,
            name: name.to_owned(),
            port: port as u16,
        })
    }

    /// Starts the guest with these keys typed ahead.
    fn guest(&self, bench: &Bench, log: &mut Log, add: &str, typed: &str) -> Result<Session> {
        let image = bench.dir.join(format!("{}.img", self.name));
        let port = self.port.to_string();
        let settings = [("KEEP", text(&image)?), ("GDBPORT", &port), ("ADD", add)];
        let command = front(bench, "scripts/xtask", &["gdb"], &settings);
        writeln!(log, "+ {command:?}")?;
        let mut session = Session::start(command, true, Stderr::Console)?;
        session.send(typed.as_bytes())?;
        Ok(session)
    }

    /// Runs gdb with `.gdbinit` and these commands; returns its output.
    fn run(&self, bench: &Bench, log: &mut Log, commands: &[&str]) -> Result<String> {
        // Other checks overwrite the script to connect.
        let guest = bench.guest(Profile::Release)?;
        let programs = bench.toolchain.target_dir().join(SYMBOLS);
        let script = gdb_script(&guest.kernel, &programs, self.port);
        let connect = bench.file(&format!("{}.connect", self.name), script.as_bytes())?;
        let init = fs::read_to_string(bench.toolchain.root.join(".gdbinit"))?;
        wanted(&init, "target/pagoda/connect.gdb")?;
        let init = init.replace("target/pagoda/connect.gdb", text(&connect)?);
        let init = bench.file(&format!("{}.gdbinit", self.name), init.as_bytes())?;
        let mut arguments = vec!["-nx", "-batch", "-x", text(&init)?];
        for command in commands {
            arguments.extend(["-ex", command]);
        }
        let gdb = front(bench, self.program, &arguments, &[]);
        finish(log, gdb, None).map(|(_, output)| output)
    }
}

/// Stopped in a system call: the process and its relatives, regions, pretty-printed values; input
/// typed meanwhile is not lost.
fn kernel(bench: &Bench, log: &mut Log, gdb: Debugger) -> Result<Outcome> {
    let mut guest = gdb.guest(bench, log, "", "echo typed ahead\r")?;
    let output = gdb.run(
        bench,
        log,
        &[
            "hbreak kernel::syscall::perform if $current().identity.pid == 3",
            "continue",
            "backtrace",
            "print $current().identity.pid",
            "print $parent($current()).identity.pid",
            "print $parent($parent($current())).identity.pid",
            "pagoda ps",
            "pagoda pmap 2",
            "print $process(2).name",
            "print $inner($process(2).own).directory",
            "print kernel::fs::cache::INODES",
        ],
    )?;
    for text in [
        "kernel::trap::trap_from_user (frame=",
        "$1 = 3\n",
        "$2 = 2\n",
        "$3 = 1\n",
        "    1      0",
        " init             sleep, for Child\n",
        "    3      2",
        "run on hart",
        "\n2 sh\n",
        "r-x  Text file from 0x1000\n",
        "rw-  Heap\n",
        "value = \"sh\"",
        "(*mut kernel::fs::inode::Inode) 0xffffff",
        " references",
        "elements = {",
    ] {
        wanted(&output, text)?;
    }
    ensure!(!output.contains("Error"), "gdb reports errors");
    // After gdb detaches the machine runs on.
    read(
        &mut guest,
        log,
        &mut String::new(),
        Some("$ typed ahead\r\n"),
    )?;
    Ok(Outcome::Passed(1))
}

/// A kernel fault caused by a debugger: reports the access and its source line.
fn fault(bench: &Bench, log: &mut Log, gdb: Debugger) -> Result<Outcome> {
    let mut guest = gdb.guest(bench, log, "", "")?;
    let commands = [
        "hbreak *'kernel::syscall::perform'",
        "continue",
        "delete",
        // The address for the result.
        "set $a0 = 0x10",
        "continue",
    ];
    gdb.run(bench, log, &commands)?;
    let mut output = String::new();
    let last = "kernel/src/arch/riscv64/trap.rs:";
    read(&mut guest, log, &mut output, Some(last))?;
    let (_, panic) = output.split_once("panic: ").context("no panic")?;
    let lines: Vec<&str> = panic.lines().collect();
    wanted(lines[0], "kernel fault: write to 0x10 (scause 0xf, sp 0x")?;
    wanted(lines[1], "  pc 0xffffffc0")?;
    wanted(lines[1], " kernel::syscall::perform+0x")?;
    wanted(lines[1], ".rs:")?;
    backtrace(&output)?;
    Ok(Outcome::Passed(1))
}

/// A breakpoint in a program stops only that program, and shows its variables.
fn program(bench: &Bench, log: &mut Log, gdb: Debugger) -> Result<Outcome> {
    if Compiler::find().is_none() {
        let reason = "no C compiler for the guest; `scripts/setup c` installs one";
        return Ok(Outcome::Skipped(reason.into()));
    }
    let source = "#include \"kernel/types.h\"
#include \"user/user.h\"
int add(int a, int b)
{
    int sum = a + b;
    return sum;
}
int main(int argc, char **argv)
{
    int total = 7;
    total = add(total, argc);
    printf(\"%s: %d\\n\", argv[0], total);
    exit(0);
}
";
    let source = bench.file("debugged.c", source.as_bytes())?;
    let mut guest = gdb.guest(bench, log, text(&source)?, "ls\rwc README\rdebugged x\r")?;
    let output = gdb.run(
        bench,
        log,
        &[
            // Set before any program runs.
            "hbreak kernel::start::run_init",
            "continue",
            "user debugged",
            "break debugged.c:11",
            "break add if b == 2",
            "continue",
            "info locals",
            "print argc",
            "pagoda ps",
            "continue",
            "info args",
            "backtrace",
            "next",
            "print a + b",
            "print sum",
            "user wc",
            "info symbol 0",
            "delete",
        ],
    )?;
    for text in [
        "main (argc=2, argv=",
        "total = 7\n",
        " debugged         run on hart",
        "a = 7\n",
        "b = 2\n",
        "in main (argc=",
        "$2 = 9\n",
        "$3 = 9\n",
        "release/wc\n",
    ] {
        wanted(&output, text)?;
    }
    read(&mut guest, log, &mut String::new(), Some("debugged: 9\r\n"))?;
    Ok(Outcome::Passed(1))
}
