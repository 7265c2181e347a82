//! Source lines of a kernel's instructions, by the debug information in its ELF file.

use crate::symbols::readable;
use anyhow::{Context, Result};
use elf::{ElfBytes, endian};
use gimli::{EndianArcSlice, LittleEndian, SectionId};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// One function that an address is in. If it is inlined, the next one says where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) function: String,
    /// File and line.
    pub(crate) place: String,
}

/// The lines of one program.
pub(crate) struct Lines {
    dwarf: addr2line::Context<EndianArcSlice<LittleEndian>>,
    /// Files below it are named from there.
    root: PathBuf,
}

impl Lines {
    /// Those in an ELF file.
    ///
    /// # Errors
    ///
    /// The file is no ELF file, or its debug information is damaged.
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
            dwarf: addr2line::Context::from_dwarf(dwarf).context("damaged debug information")?,
            root: root.to_path_buf(),
        })
    }

    /// The functions that the instruction is in, innermost first; none where nothing is known.
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

    /// A file's name without what is the same for all on this machine: from the root of the tree, from a
    /// crate's own directory, or from the standard library's.
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
