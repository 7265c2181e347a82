//! A tiny ELF program whose bytes tests can corrupt.

use ulib::vec::Vec;
use zerocopy::{Immutable, IntoBytes};

/// The tiny program's exit status.
pub(crate) const STATUS: i32 = 42;

/// The header of an ELF file.
#[derive(Clone, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 4],
    pub(crate) class: u8,
    pub(crate) data: u8,
    pub(crate) rest: [u8; 10],
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) version: u32,
    pub(crate) entry: u64,
    pub(crate) segments_at: u64,
    pub(crate) sections_at: u64,
    pub(crate) flags: u32,
    pub(crate) header_size: u16,
    pub(crate) segment_size: u16,
    pub(crate) segments: u16,
    pub(crate) section_size: u16,
    pub(crate) sections: u16,
    pub(crate) names: u16,
}

/// A program header.
#[derive(Clone, Debug, IntoBytes, Immutable)]
#[repr(C)]
pub(crate) struct Segment {
    pub(crate) kind: u32,
    pub(crate) flags: u32,
    pub(crate) offset: u64,
    pub(crate) address: u64,
    pub(crate) physical: u64,
    pub(crate) in_file: u64,
    pub(crate) in_memory: u64,
    pub(crate) align: u64,
}

/// The parts of an ELF file with one segment.
#[derive(Clone, Debug)]
pub(crate) struct Elf {
    pub(crate) header: Header,
    pub(crate) segment: Segment,
    pub(crate) code: Vec<u8>,
}

/// `PT_LOAD`.
const LOAD: u32 = 1;
/// Readable and executable.
pub(crate) const READ_RUN: u32 = 5;
/// Readable, writable and executable.
pub(crate) const ALL: u32 = 7;
/// File offset of the code.
const CODE_AT: u64 = 4096;

/// Instructions as bytes.
pub(crate) fn code(instructions: &[u32]) -> Vec<u8> {
    instructions
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// The tiny program: exits with [`STATUS`].
pub(crate) fn tiny() -> Elf {
    // li a0, 42; li a7, 2; ecall; j .
    let code = code(&[0x02a0_0513, 0x0020_0893, 0x0000_0073, 0x0000_006f]);
    let length = code.len() as u64;
    Elf {
        header: Header {
            magic: *b"\x7fELF",
            class: 2,
            data: 1,
            rest: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            kind: 2,
            machine: 243,
            version: 1,
            entry: 0,
            segments_at: size_of::<Header>() as u64,
            sections_at: 0,
            flags: 5,
            header_size: size_of::<Header>() as u16,
            segment_size: size_of::<Segment>() as u16,
            segments: 1,
            section_size: 64,
            sections: 0,
            names: 0,
        },
        segment: Segment {
            kind: LOAD,
            flags: READ_RUN,
            offset: CODE_AT,
            address: 0,
            physical: 0,
            in_file: length,
            in_memory: length,
            align: 4096,
        },
        code,
    }
}

impl Elf {
    /// The file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::from(self.header.as_bytes());
        bytes.extend_from_slice(self.segment.as_bytes());
        bytes.resize(CODE_AT as usize, 0);
        bytes.extend_from_slice(&self.code);
        bytes
    }
}
