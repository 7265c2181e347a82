//! The C compiler for the guest: Debian's GCC for bare RISC-V machines, or clang.

use crate::toolchain::Toolchain;
use anyhow::{Context, Result};
use std::{
    process::{Command, Stdio},
    sync::OnceLock,
};

const GCC: &str = "riscv64-unknown-elf-gcc";
const CLANG: &str = "clang";

/// For the machine, and for a program without a host's library around it. Programs that test a kernel
/// do what C leaves undefined, and expect what the machine does of it: they use address 0, count past
/// the largest number, and call themselves until the stack ends, which must not become a loop.
const MACHINE: [&str; 19] = [
    "-march=rv64gc",
    "-mabi=lp64d",
    "-mcmodel=medany",
    "-mno-relax",
    "-std=gnu11",
    "-ffreestanding",
    "-fno-builtin",
    "-fno-stack-protector",
    "-fno-common",
    "-fno-strict-aliasing",
    "-fno-delete-null-pointer-checks",
    "-fno-optimize-sibling-calls",
    "-fno-omit-frame-pointer",
    "-fwrapv",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-asynchronous-unwind-tables",
    "-Og",
    "-g",
];

/// A compiler that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// Its first version number.
    Gcc(u32),
    Clang,
}

impl Compiler {
    /// The compiler on the `PATH`; looked for once.
    pub(crate) fn find() -> Option<Compiler> {
        static FOUND: OnceLock<Option<Compiler>> = OnceLock::new();
        *FOUND.get_or_init(look)
    }

    /// The same, after `scripts/setup` has installed one where there was none.
    pub(super) fn find_or_install(toolchain: &Toolchain) -> Result<Compiler> {
        // Asked once: what `find` saw, it remembers.
        static INSTALLED: OnceLock<Option<Compiler>> = OnceLock::new();
        let install = || {
            let script = toolchain.root.join("scripts/setup");
            // Its words are no part of what is asked for on standard output.
            let status = Command::new(script)
                .arg("c")
                .stdout(std::io::stderr())
                .status();
            status.is_ok_and(|status| status.success()).then(look)?
        };
        let found = Compiler::find().or_else(|| *INSTALLED.get_or_init(install));
        found.context(
            "C programs need riscv64-unknown-elf-gcc (Debian: the package gcc-riscv64-unknown-elf) or \
             clang with lld; neither is here. All else works without",
        )
    }

    /// A call that compiles for the guest.
    pub(super) fn command(self) -> Command {
        let mut command = Command::new(match self {
            Compiler::Gcc(_) => GCC,
            Compiler::Clang => CLANG,
        });
        if self == Compiler::Clang {
            command.arg("--target=riscv64-unknown-elf");
        }
        command.args(MACHINE);
        command
    }

    /// What was written for 32 bits and for older compilers is worth a warning and no error.
    pub(super) fn for_courses(self) -> &'static [&'static str] {
        match self {
            Compiler::Gcc(..14) => &[],
            Compiler::Gcc(_) => &["-fpermissive"],
            Compiler::Clang => &[
                "-Wno-unknown-warning-option",
                "-Wno-error=int-conversion",
                "-Wno-error=implicit-int",
                "-Wno-error=implicit-function-declaration",
                "-Wno-error=incompatible-function-pointer-types",
                "-Wno-error=incompatible-pointer-types",
                "-Wno-error=return-type",
                "-Wno-error=main-return-type",
            ],
        }
    }

    pub(super) fn for_linking(self) -> &'static [&'static str] {
        const LINK: &[&str] = &[
            "-nostdlib",
            "-static",
            "-Wl,--gc-sections",
            "-Wl,--build-id=none",
            "-Wl,-z,max-page-size=4096",
        ];
        const WITH_LLD: &[&str] = &[
            "-nostdlib",
            "-static",
            "-Wl,--gc-sections",
            "-Wl,--build-id=none",
            "-Wl,-z,max-page-size=4096",
            "-fuse-ld=lld",
        ];
        match self {
            Compiler::Gcc(_) => LINK,
            Compiler::Clang => WITH_LLD,
        }
    }

    /// Behind all objects: what the compiler itself calls.
    pub(super) fn libraries(self) -> &'static [&'static str] {
        match self {
            Compiler::Gcc(_) => &["-lgcc"],
            Compiler::Clang => &[],
        }
    }
}

fn look() -> Option<Compiler> {
    gcc().or_else(clang)
}

fn gcc() -> Option<Compiler> {
    let version = output(GCC, "-dumpversion")?;
    let first = version.split('.').next()?.trim().parse().ok()?;
    Some(Compiler::Gcc(first))
}

/// Clang counts if it knows the guest's machine and has its linker beside it.
fn clang() -> Option<Compiler> {
    let knows = output(CLANG, "--print-targets")?.contains("riscv64");
    (knows && output("ld.lld", "--version").is_some()).then_some(Compiler::Clang)
}

fn output(program: &str, argument: &str) -> Option<String> {
    let mut command = Command::new(program);
    let output = command.arg(argument).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then_some(text)
}
