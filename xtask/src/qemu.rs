//! The virtual machine: one QEMU process.

use crate::options::Hardware;
use anyhow::{Context, Result};
use rustix::{fs::MemfdFlags, io::FdFlags};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    os::{fd::AsRawFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
};

/// `scripts/setup` ensures that it is installed and new enough.
const QEMU: &str = "qemu-system-riscv64";

/// The disk of one machine.
#[derive(Debug)]
pub(crate) enum Disk {
    /// An anonymous file, gone with the last process that has it open.
    Scratch(File),
    /// A persistent image.
    Kept(PathBuf),
}

impl Disk {
    pub(crate) fn scratch(image: &[u8]) -> Result<Disk> {
        let mut file = File::from(rustix::fs::memfd_create(
            "pagoda-disk",
            MemfdFlags::CLOEXEC,
        )?);
        file.write_all(image)?;
        Ok(Disk::Scratch(file))
    }

    /// The current contents.
    pub(crate) fn contents(&self) -> Result<Vec<u8>> {
        match self {
            Disk::Kept(path) => std::fs::read(path).with_context(|| path.display().to_string()),
            Disk::Scratch(file) => {
                let mut file = file;
                let mut image = Vec::new();
                file.seek(SeekFrom::Start(0))?;
                file.read_to_end(&mut image)?;
                Ok(image)
            }
        }
    }
}

/// UART register writes at reset, by address and value: enable FIFOs and send a zero byte in
/// loopback. The firmware discards the first received byte when it sets up the port; this way it is
/// the zero, not typed input.
const PORT_AT_RESET: [(u32, u8); 4] = [
    (0x1000_0002, 0x01),
    (0x1000_0004, 0x10),
    (0x1000_0000, 0x00),
    (0x1000_0004, 0x00),
];

/// The guest's serial console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Console {
    /// A terminal, shared with QEMU's monitor; Ctrl-A x quits.
    Terminal,
    /// QEMU's standard input and output, raw.
    Stdio,
}

/// A QEMU command line. `boot_args` is appended to the hardware's boot arguments.
pub(crate) fn command(
    kernel: &Path,
    disk: &Disk,
    hardware: &Hardware,
    boot_args: &str,
    console: Console,
) -> Result<Command> {
    let mut qemu = Command::new(QEMU);
    qemu.args([
        "-machine",
        "virt",
        "-bios",
        "default",
        "-display",
        "none",
        "-no-reboot",
    ]);
    qemu.args(["-m", &hardware.mem, "-smp", &hardware.cpus.to_string()]);
    if hardware.icount {
        qemu.args(["-icount", "shift=0"]);
    }
    qemu.args(match console {
        Console::Terminal => ["-serial", "mon:stdio"].as_slice(),
        Console::Stdio => &["-monitor", "none", "-serial", "stdio"],
    });
    if console == Console::Terminal {
        for (address, value) in PORT_AT_RESET {
            let write = format!("loader,addr={address:#x},data={value},data-len=1");
            qemu.args(["-device", &write]);
        }
    }
    qemu.arg("-kernel")
        .arg(kernel)
        .arg("-append")
        .arg(format!("{} {boot_args}", hardware.boot).trim_start());

    let (image, inherited) = match disk {
        Disk::Kept(path) => (path.clone(), None),
        Disk::Scratch(file) => {
            let file = file.try_clone()?;
            (
                format!("/proc/self/fd/{}", file.as_raw_fd()).into(),
                Some(file),
            )
        }
    };
    // Commas in the name must be doubled.
    let image = image
        .to_str()
        .context("the image's name is not UTF-8")?
        .replace(',', ",,");
    qemu.args(["-global", "virtio-mmio.force-legacy=false"]);
    qemu.args([
        "-drive",
        &format!("file={image},if=none,format=raw,id=disk"),
    ]);
    qemu.args([
        "-device",
        "virtio-blk-device,drive=disk,bus=virtio-mmio-bus.0",
    ]);
    qemu.args(&hardware.extra);
    if let Some(file) = inherited {
        hand_down(&mut qemu, file);
    }
    Ok(qemu)
}

/// Lets the child inherit the file under the same descriptor.
pub(crate) fn hand_down(child: &mut Command, file: File) {
    let prepare = move || Ok(rustix::io::fcntl_setfd(&file, FdFlags::empty())?);
    // SAFETY: between fork and exec only async-signal-safe functions may run: `prepare` makes one
    // system call, takes no lock and allocates nothing (an error made of a number needs no memory).
    unsafe { child.pre_exec(prepare) };
}
