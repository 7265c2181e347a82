//! `qemu` and `gdb`: an interactive guest, on a terminal or a pipe.

use crate::{
    build::{self, SYMBOLS},
    image,
    options::Options,
    qemu::{self, Console, Disk},
    resolver::Resolver,
    session::{Session, Stderr},
    terminal,
    toolchain::Toolchain,
    typist::{self, Typist},
};
use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::{ErrorKind, IsTerminal, Read, stdin, stdout},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc::{Receiver, channel},
    thread,
};

/// Boots to a prompt on standard input and output.
pub(crate) fn qemu(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let (qemu, kernel, _disk) = machine(toolchain, options, console())?;
    attend(qemu, &kernel)
}

/// Boots a given kernel and image.
pub(crate) fn boot(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    let [kernel, image] = options.rest.as_slice() else {
        bail!("usage: xtask boot KERNEL IMAGE");
    };
    let image = PathBuf::from(image);
    let disk = if options.scratch {
        let contents = fs::read(&image).with_context(|| image.display().to_string())?;
        Disk::scratch(&contents)?
    } else {
        Disk::Kept(image)
    };
    let kernel = &std::path::absolute(kernel)?;
    if options.wait {
        check_port(options.gdb_port)?;
    }
    let console = console();
    let boot = boot_argument(console);
    let mut qemu = qemu::command(kernel, &disk, &options.hardware, boot, console)?;
    if options.wait {
        wait_for_gdb(toolchain, options, kernel, &mut qemu)?;
    }
    attend(qemu, kernel)
}

fn console() -> Console {
    match stdin().is_terminal() {
        true => Console::Terminal,
        false => Console::Stdio,
    }
}

/// The boot argument for a session with such a console.
fn boot_argument(console: Console) -> &'static str {
    match console {
        Console::Terminal => "",
        Console::Stdio => typist::BOOT,
    }
}

/// Gives a terminal to QEMU, or types the lines from a pipe.
fn attend(qemu: Command, kernel: &Path) -> Result<u8> {
    if stdin().is_terminal() {
        return terminal::attend(qemu, kernel);
    }
    let session = Session::start(qemu, true, Stderr::Ours)?;
    let mut console = Resolver::new(stdout(), kernel);
    let status = Typist::new(session, lines()).run(&mut console, None)?;
    Ok(status.unwrap_or_default())
}

/// Boots and waits for gdb before the first instruction.
pub(crate) fn gdb(toolchain: &Toolchain, options: &Options) -> Result<u8> {
    check_port(options.gdb_port)?;
    let (mut qemu, kernel, _disk) = machine(toolchain, options, Console::Terminal)?;
    wait_for_gdb(toolchain, options, &kernel, &mut qemu)?;
    terminal::attend(qemu, &kernel)
}

/// Refuses a port that QEMU cannot listen on.
fn check_port(port: u16) -> Result<()> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("GDBPORT={port}: the port is in use; try another")
        }
        Err(error) => bail!("GDBPORT={port}: {error}"),
    }
}

/// Lets QEMU wait for gdb, and writes gdb's script.
fn wait_for_gdb(
    toolchain: &Toolchain,
    options: &Options,
    kernel: &Path,
    qemu: &mut Command,
) -> Result<()> {
    let port = options.gdb_port;
    qemu.args(["-S", "-gdb", &format!("tcp:127.0.0.1:{port}")]);
    // gdb may run in another directory.
    let kernel = fs::canonicalize(kernel).with_context(|| kernel.display().to_string())?;
    let script = gdb_script(&kernel, &toolchain.target_dir().join(SYMBOLS), port);
    build::replace(
        &toolchain.target_dir().join("pagoda/connect.gdb"),
        script.as_bytes(),
    )?;
    let root = toolchain.root.display();
    eprintln!("in another terminal, in {root}: gdb-multiarch -nx -x .gdbinit");
    Ok(())
}

/// What `.gdbinit` cannot know: profile and port. Symbols of programs are loaded one at a time,
/// since all are linked at the same address.
pub(crate) fn gdb_script(kernel: &Path, programs: &Path, port: u16) -> String {
    let (kernel, programs) = (kernel.display(), programs.display());
    format!(
        "file \"{kernel}\"
set $user_there = 0
define user
  if $user_there
    remove-symbol-file -a 0
    set $user_there = 0
  end
  add-symbol-file \"{programs}/$arg0\"
  set $user_there = 1
  if !$_isvoid($_streq)
    pagoda only $arg0
  end
end
target remote 127.0.0.1:{port}
"
    )
}

/// A QEMU command line, with its kernel and disk.
fn machine(
    toolchain: &Toolchain,
    options: &Options,
    console: Console,
) -> Result<(Command, PathBuf, Disk)> {
    options.keep.as_deref().map_or(Ok(()), image::check)?;
    let guest = build::guest(toolchain, options.profile, &options.features)?;
    let image = options
        .keep
        .clone()
        .unwrap_or_else(|| toolchain.target_dir().join("fs.img"));
    let disk = image::lasting(toolchain, &guest, options.format, &image, &options.add)?;
    let boot = boot_argument(console);
    let qemu = qemu::command(&guest.kernel, &disk, &options.hardware, boot, console)?;
    Ok((qemu, guest.kernel, disk))
}

/// Standard input, split into lines.
fn lines() -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdin().read(&mut buffer) {
            for line in buffer[..count].split_inclusive(|&byte| byte == b'\n') {
                if sender.send(line.to_vec()).is_err() {
                    return;
                }
            }
        }
    });
    receiver
}
