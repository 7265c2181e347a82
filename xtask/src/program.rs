//! Prepares user programs for the image: strips debug information.

use anyhow::{Context, Result, ensure};
use elf::{ElfBytes, endian::LittleEndian};

/// Offset in a 64-bit program header.
const P_MEMSZ: usize = 0x28;
/// Offsets in a 64-bit ELF header, and its size.
const SHOFF: usize = 0x28;
const SHENTSIZE: usize = 0x3a;
const EHSIZE: usize = 0x40;

/// Strips an ELF file to what `exec` needs: header, program headers and segments.
pub(crate) fn strip(file: &[u8]) -> Result<Vec<u8>> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let header = elf.ehdr;
    ensure!(
        header.class == elf::file::Class::ELF64,
        "not a 64-bit ELF file"
    );
    let table = u64::from(header.e_phentsize) * u64::from(header.e_phnum);
    let mut end = header
        .e_phoff
        .checked_add(table)
        .context("program headers past the end")?;
    for segment in elf.segments().context("no program headers")? {
        let last = segment
            .p_offset
            .checked_add(segment.p_filesz)
            .context("a segment wraps")?;
        end = end.max(last);
    }
    let kept = usize::try_from(end).ok().and_then(|end| file.get(..end));
    let mut kept = kept.context("segments past the end of the file")?.to_vec();
    ensure!(kept.len() >= EHSIZE, "no room for an ELF header");
    kept[SHOFF..SHOFF + 8].fill(0);
    kept[SHENTSIZE..EHSIZE].fill(0);
    Ok(kept)
}

/// Sets the stack size in a program's PT_GNU_STACK header.
///
/// # Errors
/// The file is no ELF file, or has no such header.
pub(crate) fn set_stack_size(file: &mut [u8], bytes: usize) -> Result<()> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file)?;
    let segments = elf.segments().context("no program headers")?;
    let index = segments
        .iter()
        .position(|segment| segment.p_type == elf::abi::PT_GNU_STACK);
    let index = index.context("no program header for the stack")?;
    let table = usize::try_from(elf.ehdr.e_phoff)?;
    let at = table + index * usize::from(elf.ehdr.e_phentsize) + P_MEMSZ;
    let field = file
        .get_mut(at..at + 8)
        .context("a truncated program header")?;
    field.copy_from_slice(&(bytes as u64).to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with one segment of four bytes, followed by junk.
    fn sample() -> Vec<u8> {
        let mut file = vec![0u8; 0x78];
        file[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        file[0x10..0x14].copy_from_slice(&[2, 0, 243, 0]);
        file[0x14] = 1;
        file[0x20] = 0x40; // e_phoff
        file[0x28..0x30].copy_from_slice(&0x80u64.to_le_bytes()); // e_shoff
        file[0x34] = 0x40; // e_ehsize
        file[0x36] = 56; // e_phentsize
        file[0x38] = 1; // e_phnum
        file[0x3a] = 64; // e_shentsize; no section headers follow
        file[0x40] = 1; // PT_LOAD
        file[0x48] = 0x78; // p_offset
        file[0x60] = 4; // p_filesz
        file.extend(b"codedebug information");
        file
    }

    #[test]
    fn keeps_the_segments_and_nothing_else() {
        let mut file = sample();
        file[SHOFF..SHOFF + 8].fill(0);
        let stripped = strip(&file).unwrap();
        assert_eq!(&stripped[0x78..], b"code");
        assert!(stripped[SHENTSIZE..EHSIZE].iter().all(|&byte| byte == 0));
    }

    #[test]
    fn the_stack_size_needs_a_header() {
        let mut file = sample();
        file[SHOFF..SHOFF + 8].fill(0);
        assert!(
            set_stack_size(&mut file.clone(), 4096).is_err(),
            "no header"
        );
        file[0x40..0x44].copy_from_slice(&elf::abi::PT_GNU_STACK.to_le_bytes());
        set_stack_size(&mut file, 0x12345).unwrap();
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).unwrap();
        let stack = elf.segments().unwrap().get(0).unwrap();
        assert_eq!((stack.p_memsz, stack.p_offset), (0x12345, 0x78));
        assert!(set_stack_size(&mut b"#!/bin/sh\n".to_vec(), 4096).is_err());
    }

    #[test]
    fn truncated_and_other_files_are_refused() {
        let mut file = sample();
        file[SHOFF..SHOFF + 8].fill(0);
        file.truncate(0x7a);
        assert!(strip(&file).is_err(), "a segment past the end was taken");
        assert!(strip(b"#!/bin/sh\n").is_err());
    }
}
