//! Generates C headers from `crates/abi`, so that numbers are defined once.

use abi::{
    Advice, Errno, FileType, MapFlags, MemInfo, MemInfoFlags, OpenFlags, Prot, RemapFlags, Sys,
};
use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Writes `abi.h`, `calls.inc` and `errors.inc`, if they are not up to date.
pub(super) fn write(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in [
        ("abi.h", abi_h()),
        ("calls.inc", calls_inc()),
        ("errors.inc", errors_inc()),
    ] {
        let path = dir.join(name);
        if !fs::read(&path).is_ok_and(|old| old == text.as_bytes()) {
            crate::build::replace(&path, text.as_bytes()).with_context(|| name.to_owned())?;
        }
    }
    Ok(())
}

/// A stub for each call, for the macros of `lib/stubs.S`.
fn calls_inc() -> String {
    let stub = |&(number, name): &(u64, &str)| {
        format!(
            "#ifdef OWN_{name}\n    raw {name}, {number}\n#else\n    stub {name}, {number}\n#endif\n"
        )
    };
    let stubs: String = Sys::ALL.iter().map(stub).collect();
    format!("/* Generated from crates/abi. */\n{stubs}")
}

/// The error messages, for the macro of `lib/errno.c`.
fn errors_inc() -> String {
    let errors = Errno::ALL.iter();
    let lines: String = errors
        .map(|(_, name, text)| format!("ERROR({name}, \"{text}\")\n"))
        .collect();
    format!("/* Generated from crates/abi. */\n{lines}")
}

fn abi_h() -> String {
    let mut text =
        "/* Generated from crates/abi. */\n#ifndef PAGODA_ABI_H\n#define PAGODA_ABI_H\n\n"
            .to_owned();
    let mut define = |name: &str, value: u64| {
        // As an `int` if it fits, as C programs expect.
        let value = match i32::try_from(value) {
            Ok(_) if value > 0xffff => format!("{value:#x}"),
            Ok(_) => value.to_string(),
            Err(_) => format!("{value:#x}L"),
        };
        text += &format!("#define {name} {value}\n");
    };
    for &(number, name) in Sys::ALL {
        define(&format!("SYS_{name}"), number);
    }
    define("SYS_pause", Sys::Sleep as u64);
    for &(number, name, _) in Errno::ALL {
        define(name, number.into());
    }
    for (name, value) in [
        ("PGSIZE", abi::PAGE_SIZE as u64),
        ("MAXVA", abi::MAXVA),
        ("MAXPATH", abi::MAXPATH as u64),
        ("MAXARG", abi::MAXARG as u64),
        ("DIRSIZ", abi::DIRSIZ as u64),
        ("CONSOLE", abi::CONSOLE as u64),
        ("KMALLOC_MAX", abi::KMALLOC_MAX as u64),
        ("T_DIR", FileType::Directory as u64),
        ("T_FILE", FileType::File as u64),
        ("T_DEVICE", FileType::Device as u64),
        ("O_RDONLY", OpenFlags::empty().bits().into()),
        ("O_WRONLY", OpenFlags::WRITE_ONLY.bits().into()),
        ("O_RDWR", OpenFlags::READ_WRITE.bits().into()),
        ("O_CREATE", OpenFlags::CREATE.bits().into()),
        ("O_TRUNC", OpenFlags::TRUNCATE.bits().into()),
        ("MADV_WILLNEED", Advice::WillNeed as u64),
        ("MADV_DONTNEED", Advice::DontNeed as u64),
        ("MADV_FREE", Advice::Free as u64),
        ("MEMINFO_VERSION", MemInfo::VERSION),
        ("MEMINFO_SIZE", size_of::<MemInfo>() as u64),
        ("MEMINFO_CLASSES", abi::SLAB_CLASSES as u64),
        ("PROT_NONE", Prot::empty().bits().into()),
    ] {
        define(name, value);
    }
    for (name, flag) in Prot::all().iter_names() {
        define(&format!("PROT_{name}"), flag.bits().into());
    }
    for (name, flag) in MapFlags::all().iter_names() {
        // A name in Rust cannot begin with a digit.
        let name = if name == "LOW" { "32BIT" } else { name };
        define(&format!("MAP_{name}"), flag.bits().into());
    }
    define("MAP_ANON", MapFlags::ANONYMOUS.bits().into());
    for (name, flag) in RemapFlags::all().iter_names() {
        define(&format!("MREMAP_{name}"), flag.bits().into());
    }
    for (name, flag) in MemInfoFlags::all().iter_names() {
        define(&format!("MEMINFO_{name}"), flag.bits().into());
    }
    text + "\n#endif\n"
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_xv6() {
        let text = super::abi_h();
        for line in [
            "#define SYS_fork 1\n",
            "#define SYS_close 21\n",
            "#define O_CREATE 512\n",
            "#define PGSIZE 4096\n",
            "#define MAXVA 0x4000000000L\n",
            "#define MAP_ANONYMOUS 32\n",
            "#define MAP_32BIT 64\n",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        assert!(super::calls_inc().contains("    stub fork, 1\n"));
    }
}
