//! Builds Pagoda and its disk images, runs QEMU, drives the tests. `make` and `scripts/xtask` call
//! it; `xtask` alone lists its commands.

// First, for its macro.
#[macro_use]
mod output;

mod build;
mod c;
mod floors;
mod grade;
mod image;
mod interactive;
mod ksyms;
mod lines;
mod options;
mod program;
mod qemu;
mod resolver;
mod results;
mod run;
mod session;
mod symbols;
mod terminal;
mod test;
mod ties;
mod toolchain;
mod typist;
mod volume;
mod watchdog;

use anyhow::{Result, bail, ensure};
use options::Options;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};
use toolchain::{GUEST_PACKAGES, Toolchain, succeed};

const HELP: &str = "\
usage: xtask COMMAND [OPTION…]   (or scripts/xtask, which sets up the toolchain)

  build          the kernel and the user programs
  kernel FILE    only the kernel, copied to FILE
  cc SOURCE OUT  a C program for the guest; --dialect riscv or classic, default by its includes
  image [FILE]   a new disk image with all programs or those of --programs, and the files of --add
  qemu           boot to a prompt on this terminal
  gdb            the same, but wait for gdb
  boot KERNEL IMAGE  boot these files; --scratch: discard writes to the disk,
                 --wait: wait for gdb
  run [CMD]      run a command line in the guest's shell and power off; exits with its status
                 (101: kernel panic, 124: timeout)
  test [WORD…]   all checks, or those with a WORD in their name; --list lists the names
  grade [LAB]    grade a lab of the course: alloc or lazy
  fmt, lint      format the sources; clippy, with warnings as errors
  fsck [IMAGE]   check an image, default that of `qemu`

Each option may be given as an environment variable too:
  --cpus N (CPUS)          harts, 1 to 8; default 3
  --mem SIZE (MEM)         RAM in QEMU's format, at least 5M; default 128M
  --icount 1 (ICOUNT)      QEMU counts instructions, a nanosecond of the guest's clock each; one hart
                           by default
  --profile NAME (PROFILE) the kernel: release (default), or checked, with assertions
  --features NAMES (FEATURES) kernel features, separated by spaces: kmalloc-debug
  --qemu ARGS (QEMUEXTRA)  more arguments for QEMU, separated by spaces
  --boot ARGS (BOOT)       boot arguments for the kernel
  --cmd CMD (CMD)          run: the command line
  --add FILES (ADD)        run, qemu, gdb: files to copy into the image's root first, separated by
                           spaces; C sources are compiled
  --keep IMAGE (KEEP)      run, qemu: use and keep this image, created if missing; an image that
                           xtask did not make keeps its programs
  --large-files (LARGE_FILES=1)  image, run, qemu: where an image is made, one with files of up to
                           65,803 KiB, which only Pagoda takes
  --port N (GDBPORT)       gdb: where to listen; default 26000
  --jobs N (JOBS)          test: concurrent guests
  --out FILE (OUT)         grade: write results for a grading system: .json Gradescope, .xml JUnit
  --tree NAME (TREE)       grade: the tree's name in the results, default its path
  --boot-timeout SECONDS (XV6_BOOT_TIMEOUT)  grade: limit until the first program; default 30
  --timeout SECONDS (TIMEOUT)  run: time limit; default 120
For scripts/xtask only:
  --above PIDS             the processes above it; xtask ends when one of them does
";

fn main() -> ExitCode {
    match dispatch() {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch() -> Result<u8> {
    let options = Options::parse()?;
    ties::watch(options.above.clone());
    let toolchain = Toolchain::find();
    match options.verb.as_str() {
        "" | "help" => say!("{}", HELP.trim_end()),
        "build" => drop(build::guest(
            &toolchain,
            options.profile,
            &options.features,
        )?),
        "kernel" => kernel(&toolchain, &options)?,
        "cc" => cc(&toolchain, &options)?,
        "image" => return image(&toolchain, &options),
        "qemu" => return interactive::qemu(&toolchain, &options),
        "boot" => return interactive::boot(&toolchain, &options),
        "grade" => return grade::grade(&toolchain, &options),
        "gdb" => return interactive::gdb(&toolchain, &options),
        "fsck" => {
            let named = options.rest.first().map(PathBuf::from);
            return image::fsck(&named.unwrap_or_else(|| toolchain.target_dir().join("fs.img")));
        }
        "test" => return test::test(&toolchain, &options),
        "fmt" => succeed(toolchain.cargo("fmt").arg("--all"))?,
        "lint" => lint(&toolchain)?,
        "run" => return run::run(&toolchain, &options),
        command => bail!("no command {command:?}; `xtask help` lists them"),
    }
    Ok(0)
}

/// Creates an image, under the given name or beside the kernel.
fn image(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let mut guest = build::guest(toolchain, options.profile, &options.features)?;
    if let Some(wanted) = &options.programs {
        guest.keep_only(wanted)?;
    }
    let named = options.rest.first().map(PathBuf::from);
    let path = named.unwrap_or_else(|| guest.dir.join("fs.img"));
    let mut image = image::fresh(toolchain, &guest, options.format)?;
    if !options.add.is_empty() {
        image = image::with_files(toolchain, image, &options.add)?;
    }
    build::replace(&path, &image)?;
    let added = match options.add.as_slice() {
        [] => String::new(),
        files => format!(" and {} added", files.len()),
    };
    let programs = guest.programs.len();
    say!("{}: {programs} programs{added}", path.display());
    Ok(0)
}

/// Copies the kernel to the named file, unless they are equal.
fn kernel(toolchain: &Toolchain, options: &Options) -> Result<()> {
    let [out] = options.rest.as_slice() else {
        bail!("usage: xtask kernel FILE");
    };
    let kernel = std::fs::read(build::kernel(
        toolchain,
        options.profile,
        &options.features,
    )?)?;
    if std::fs::read(out).is_ok_and(|old| old == kernel) {
        return Ok(());
    }
    build::replace(Path::new(out), &kernel)
}

/// Compiles a C program to the named file, unless they are equal.
fn cc(toolchain: &Toolchain, options: &Options) -> Result<()> {
    let [source, out] = options.rest.as_slice() else {
        bail!("usage: xtask cc SOURCE OUT");
    };
    let program = std::fs::read(c::program(toolchain, Path::new(source), options.dialect)?)?;
    if std::fs::read(out).is_ok_and(|old| old == program) {
        return Ok(());
    }
    build::replace(Path::new(out), &program)
}

fn lint(toolchain: &Toolchain) -> Result<()> {
    let problems = floors::check(&toolchain.root)?;
    ensure!(problems.is_empty(), "floors:\n{}", problems.join("\n"));
    let mut host = toolchain.host_cargo("clippy");
    succeed(host.args(["--all-targets", "--", "-D", "warnings"]))?;
    let mut guest = toolchain.guest_cargo("clippy");
    for package in GUEST_PACKAGES {
        guest.args(["-p", package]);
    }
    succeed(guest.args(["--release", "--", "-D", "warnings"]))
}
