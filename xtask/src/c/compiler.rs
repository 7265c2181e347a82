//! The C compiler for the guest: Debian's bare-metal RISC-V GCC, or clang.

use crate::toolchain::Toolchain;
use anyhow::{Context, Result};
use std::{
    process::{Command, Stdio},
    sync::OnceLock,
};

const GCC: &str = "riscv64-unknown-elf-gcc";
const CLANG: &str = "clang";

/// Freestanding programs for the machine. Tests of a kernel rely on undefined behaviour: they use
/// address 0, overflow integers, and recurse until the stack ends, which must not become a loop.
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

/// An available compiler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// GCC, with its major version.
    Gcc(u32),
    Clang,
}

impl Compiler {
    /// The compiler on the `PATH`, cached.
    pub(crate) fn find() -> Option<Compiler> {
        static FOUND: OnceLock<Option<Compiler>> = OnceLock::new();
        *FOUND.get_or_init(look)
    }

    /// The same, after `scripts/setup` installed one if there was none.
    pub(super) fn find_or_install(toolchain: &Toolchain) -> Result<Compiler> {
        // Cached separately, since `find` has cached its result.
        static INSTALLED: OnceLock<Option<Compiler>> = OnceLock::new();
        let install = || {
            let script = toolchain.root.join("scripts/setup");
            // Its output does not belong on standard output.
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

    /// The command line to compile for the guest.
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

    /// Code for 32 bits and older compilers gives warnings, not errors.
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

    /// Linked last: the compiler's runtime library.
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

/// Clang, if it supports RISC-V and lld is installed.
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
