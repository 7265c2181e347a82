//! Source lines of addresses, from DWARF debug information.

use crate::symbols::readable;
use anyhow::{Context, Result};
use elf::{ElfBytes, endian};
use gimli::{EndianArcSlice, LittleEndian, SectionId};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// A function that contains an address. If inlined, the next frame is its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) function: String,
    /// File and line.
    pub(crate) place: String,
}

/// The line table of a program.
pub(crate) struct Lines {
    dwarf: addr2line::Context<EndianArcSlice<LittleEndian>>,
    /// File names are relative to this directory.
    root: PathBuf,
}

impl Lines {
    /// Reads an ELF file.
    ///
    /// # Errors
    ///
    /// It is no ELF file, or its debug information is invalid.
    pub(crate) fn of(file: &[u8], root: &Path) -> Result<Lines> {
        let elf = ElfBytes::<endian::LittleEndian>::minimal_parse(file)?;
        let section = |id: SectionId| -> Result<_> {
            let bytes = match elf.section_header_by_name(id.name())? {
                Some(header) => elf.section_data(&header)?.0,
                None => &[],
            };
            Ok(EndianArcSlice::new(Arc::from(bytes), LittleEndian))
        };
        let dwarf = gimli::Dwarf::load(section)?;
        Ok(Lines {
            dwarf: addr2line::Context::from_dwarf(dwarf).context("invalid debug information")?,
            root: root.to_path_buf(),
        })
    }

    /// The functions that contain the address, innermost first; empty if unknown.
    pub(crate) fn at(&self, address: u64) -> Vec<Frame> {
        let mut found = Vec::new();
        let Ok(mut frames) = self.dwarf.find_frames(address).skip_all_loads() else {
            return found;
        };
        while let Ok(Some(frame)) = frames.next() {
            let name = frame
                .function
                .as_ref()
                .and_then(|name| name.raw_name().ok());
            let place = frame.location.and_then(|at| Some((at.file?, at.line?)));
            let (Some(name), Some((file, line))) = (name, place) else {
                continue;
            };
            found.push(Frame {
                function: readable(&name),
                place: format!("{}:{line}", self.short(file)),
            });
        }
        found
    }

    /// A file's name relative to the tree, a crate's directory, or the standard library's.
    fn short<'a>(&self, file: &'a str) -> &'a str {
        if let Ok(inside) = Path::new(file).strip_prefix(&self.root) {
            return inside.to_str().unwrap_or(file);
        }
        if let Some((_, inside)) = file.split_once("/library/") {
            return inside;
        }
        let registry = file.split_once("/registry/src/");
        registry
            .and_then(|(_, below)| below.split_once('/'))
            .map_or(file, |(_, crates)| crates)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::toolchain::Toolchain;
    use std::{fs, hint::black_box};

    const INNER: u32 = line!() + 3;
    #[inline(always)]
    fn inner(number: u32) -> u32 {
        black_box(number) + 1
    }

    const OUTER: u32 = line!() + 3;
    #[inline(never)]
    fn outer(number: u32) -> u32 {
        inner(black_box(number)) * 3
    }

    /// This program's own file, which has debug information.
    pub(crate) fn own_file() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    pub(crate) fn root() -> PathBuf {
        Toolchain::find().root
    }

    /// An address in `outer` where `inner` is inlined, and its frames.
    pub(crate) fn outer_with_inner() -> (u64, Vec<Frame>) {
        assert_eq!(black_box(outer as fn(u32) -> u32)(1), 6);
        let file = fs::read(own_file()).unwrap();
        let elf = ElfBytes::<endian::LittleEndian>::minimal_parse(&file).unwrap();
        let (symbols, strings) = elf.symbol_table().unwrap().unwrap();
        let name = |symbol: &elf::symbol::Symbol| strings.get(symbol.st_name as usize).unwrap();
        let is_outer =
            |symbol: &elf::symbol::Symbol| readable(name(symbol)).ends_with("lines::tests::outer");
        let symbol = symbols.iter().find(is_outer).expect("no symbol `outer`");
        let lines = Lines::of(&file, &root()).unwrap();
        let mut addresses = symbol.st_value..symbol.st_value + symbol.st_size;
        let found = addresses.find_map(|address| {
            let frames = lines.at(address);
            let is_inner = frames.first()?.function.ends_with("::inner");
            is_inner.then_some((address, frames))
        });
        found.expect("`inner` is inlined nowhere")
    }

    #[test]
    fn frames_are_innermost_first() {
        let (_, frames) = outer_with_inner();
        let wanted = [("inner", INNER), ("outer", OUTER)].map(|(name, line)| Frame {
            function: format!("xtask::lines::tests::{name}"),
            place: format!("xtask/src/lines.rs:{line}"),
        });
        assert_eq!(frames, wanted);
    }

    #[test]
    fn unknown_addresses_have_no_frames() {
        let file = fs::read(own_file()).unwrap();
        assert_eq!(Lines::of(&file, &root()).unwrap().at(u64::MAX - 8), []);
        assert!(Lines::of(b"no ELF file", &root()).is_err());
    }

    #[test]
    fn names_of_files_are_short() {
        let file = fs::read(own_file()).unwrap();
        let lines = Lines::of(&file, Path::new("/a/tree")).unwrap();
        for (file, wanted) in [
            ("/a/tree/kernel/src/main.rs", "kernel/src/main.rs"),
            (
                "/rustc/0123abcd/library/core/src/option.rs",
                "core/src/option.rs",
            ),
            (
                "/home/x/.cargo/registry/src/index-1/elf-0.8.0/src/lib.rs",
                "elf-0.8.0/src/lib.rs",
            ),
            ("/elsewhere/main.c", "/elsewhere/main.c"),
        ] {
            assert_eq!(lines.short(file), wanted);
        }
    }
}
