//! `exec`.
//!
//! The new address space is complete before it replaces the old one, so a failure changes nothing. The file is
//! mapped, not copied: a page fault or `prefault` maps its pages.

use super::{Name, current};
use crate::arch::paging;
use crate::arch::trap::TrapFrame;
use crate::fs::{self, InodeRef};
use crate::mm::ram::address_of;
use crate::mm::{Commit, Frame, Machine, commit};
use crate::space::Space;
use abi::{Errno, FileType, MAXARG, PAGE_SIZE, Prot, USER_TOP, Use};
use elf::abi as elf_abi;
use elf::endian::LittleEndian;
use elf::file::{self, Class, FileHeader};
use elf::parse::ParseAt;
use elf::segment::{ProgramHeader, SegmentTable};
use vm::{Access, AddressSpace, Fault, RegionKind};

type Header = FileHeader<LittleEndian>;
type Segments<'a> = SegmentTable<'a, LittleEndian>;

const PAGE: u64 = PAGE_SIZE as u64;
/// The largest stack that a file gets.
const MAX_STACK: u64 = 64 << 20;

/// The argument strings of a new program, each with a zero byte at its end, in one page.
pub struct Arguments {
    bytes: Frame,
    _commit: Commit,
    used: usize,
    /// Offset of each string.
    starts: [u16; MAXARG],
    count: usize,
}

impl Arguments {
    /// No arguments yet.
    pub fn try_new() -> Result<Arguments, Errno> {
        Ok(Arguments {
            _commit: Commit::try_new(1)?,
            bytes: Frame::try_new(Use::Kernel)?,
            used: 0,
            starts: [0; MAXARG],
            count: 0,
        })
    }

    /// Appends a string: `fill` copies it into the buffer and returns its length.
    ///
    /// # Errors
    /// `ArgumentsTooLong` if the strings do not fit in a page or are too many; the error of `fill`.
    pub fn push_with(
        &mut self,
        fill: impl FnOnce(&mut [u8]) -> Result<usize, Errno>,
    ) -> Result<(), Errno> {
        let place = self
            .starts
            .get_mut(self.count)
            .ok_or(Errno::ArgumentsTooLong)?;
        *place = self.used as u16;
        let room = self
            .bytes
            .bytes_mut()
            .and_then(|page| page.get_mut(self.used..))
            .unwrap_or_default();
        let length = fill(room)?;
        *room.get_mut(length).ok_or(Errno::ArgumentsTooLong)? = 0;
        self.used += length + 1;
        self.count += 1;
        Ok(())
    }

    /// Appends a string.
    pub fn push(&mut self, text: &[u8]) -> Result<(), Errno> {
        self.push_with(|room| {
            let room = room.get_mut(..text.len()).ok_or(Errno::ArgumentsTooLong)?;
            room.copy_from_slice(text);
            Ok(text.len())
        })
    }
}

/// Replaces the running program. On success the trap frame is that of the new program; returns the number of
/// arguments.
pub fn exec(path: &[u8], arguments: &Arguments) -> Result<usize, Errno> {
    let process = current();
    let start = process
        .resources
        .lock()
        .directory
        .clone()
        .ok_or(Errno::NotFound)?;
    let inode = fs::find(&start, path)?;
    drop(start);
    if inode.kind() != FileType::File {
        return Err(Errno::NotExecutable);
    }
    let mut space: Space = AddressSpace::new(Machine)?;
    let program = load(&mut space, &inode)?;
    // Most pages of the file will be touched, and they are in the page cache or on neighbouring blocks. With all
    // of them mapped, the program's commitment for its file does not change while it runs.
    let all = space.prefault(|file, index| Some(file.page(index).ok()??.frame));
    if !all && commit::is_strict() {
        // Inserting a page into the page cache would take memory that is not committed.
        return Err(Errno::NoMemory);
    }
    paging::fence_i();
    let (sp, argv) = push_arguments(&mut space, &program, arguments)?;
    space.set_heap(program.stack_top);

    drop(process.replace_space(Some(space)));
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
    process.set_name(Name::new(name));
    let frame = TrapFrame::user(program.entry, sp, [arguments.count as u64, argv]);
    process.user_frame().set(&frame);
    Ok(arguments.count)
}

/// The layout of a new program.
struct Program {
    entry: u64,
    stack_bottom: u64,
    stack_top: u64,
}

/// What the ELF headers say.
struct Headers {
    entry: u64,
    /// Stack size of PT_GNU_STACK; 0 for none.
    stack: u64,
    /// End of the last segment in memory.
    end: u64,
}

fn load(space: &mut Space, inode: &InodeRef) -> Result<Program, Errno> {
    let _commit = Commit::try_new(1)?;
    let first = inode.page(0)?.ok_or(Errno::NotExecutable)?;
    let length = usize::try_from(first.size)
        .unwrap_or(usize::MAX)
        .min(PAGE_SIZE);
    let first = Frame::from(first.frame);
    let bytes = first.bytes().get(..length).unwrap_or_default();
    let headers = map_segments(space, inode, bytes)?;

    let guard = headers.end;
    let bottom = guard.checked_add(PAGE).ok_or(Errno::NotExecutable)?;
    let size = headers.stack.clamp(PAGE, MAX_STACK).next_multiple_of(PAGE);
    let top = bottom
        .checked_add(size)
        .filter(|&top| top <= USER_TOP)
        .ok_or(Errno::NotExecutable)?;
    space.map_anonymous_fixed(guard, PAGE, Prot::empty(), RegionKind::Stack)?;
    space.map_anonymous_fixed(bottom, size, Prot::READ | Prot::WRITE, RegionKind::Stack)?;
    Ok(Program {
        entry: headers.entry,
        stack_bottom: bottom,
        stack_top: top,
    })
}

fn map_segments(space: &mut Space, inode: &InodeRef, bytes: &[u8]) -> Result<Headers, Errno> {
    let (header, segments) = parse(bytes).ok_or(Errno::NotExecutable)?;
    let fits = header.class == Class::ELF64
        && header.e_machine == elf_abi::EM_RISCV
        && header.e_type == elf_abi::ET_EXEC;
    if !fits {
        return Err(Errno::NotExecutable);
    }
    let mut headers = Headers {
        entry: header.e_entry,
        stack: 0,
        end: 0,
    };
    for segment in segments.iter() {
        match segment.p_type {
            elf_abi::PT_LOAD if segment.p_memsz > 0 => {
                map_segment(space, inode, &segment)?;
                headers.end = headers.end.max(segment_end(&segment)?);
            }
            elf_abi::PT_GNU_STACK => headers.stack = segment.p_memsz,
            _ => {}
        }
    }
    Ok(headers)
}

/// Parses the file header and the program headers, which must be in the first page. (The crate's `ElfBytes` needs
/// the section headers too, which are at the end of the file.)
fn parse(bytes: &[u8]) -> Option<(Header, Segments<'_>)> {
    let ident = bytes.get(..elf_abi::EI_NIDENT)?;
    let ident = file::parse_ident::<LittleEndian>(ident).ok()?;
    let size = match ident.1 {
        Class::ELF32 => file::ELF32_EHDR_TAILSIZE,
        Class::ELF64 => file::ELF64_EHDR_TAILSIZE,
    };
    let tail = bytes.get(elf_abi::EI_NIDENT..elf_abi::EI_NIDENT + size)?;
    let header = Header::parse_tail(ident, tail).ok()?;
    let start = usize::try_from(header.e_phoff).ok()?;
    let entry = ProgramHeader::validate_entsize(header.class, header.e_phentsize.into()).ok()?;
    let end = start.checked_add(entry * usize::from(header.e_phnum))?;
    let segments = SegmentTable::new(header.endianness, header.class, bytes.get(start..end)?);
    Some((header, segments))
}

fn segment_end(segment: &ProgramHeader) -> Result<u64, Errno> {
    let end = segment
        .p_vaddr
        .checked_add(segment.p_memsz)
        .ok_or(Errno::NotExecutable)?;
    let end = end
        .checked_next_multiple_of(PAGE)
        .ok_or(Errno::NotExecutable)?;
    if end <= USER_TOP {
        Ok(end)
    } else {
        Err(Errno::NotExecutable)
    }
}

fn map_segment(space: &mut Space, inode: &InodeRef, segment: &ProgramHeader) -> Result<(), Errno> {
    segment_end(segment)?;
    let in_file = segment.p_offset.checked_add(segment.p_filesz);
    let whole = segment.p_filesz == 0 || in_file.is_some_and(|end| end <= inode.size());
    if !whole || segment.p_filesz > segment.p_memsz || !segment.p_vaddr.is_multiple_of(PAGE) {
        return Err(Errno::NotExecutable);
    }
    let prot = protection(segment.p_flags);
    if segment.p_filesz == 0 {
        return Ok(space.map_anonymous_fixed(
            segment.p_vaddr,
            segment.p_memsz,
            prot,
            RegionKind::Data,
        )?);
    }
    let mut part = fs::text_part(inode, segment.p_offset, segment.p_filesz)?;
    // The rest of the last page need not be zero if it is not part of the segment; then the page-cache page can be
    // mapped without a copy.
    let read_only = !prot.contains(Prot::WRITE) && segment.p_filesz == segment.p_memsz;
    if read_only {
        part.len = part.len.next_multiple_of(PAGE);
    }
    Ok(space.map_object(segment.p_vaddr, segment.p_memsz, prot, part)?)
}

fn protection(flags: u32) -> Prot {
    let mut prot = Prot::empty();
    prot.set(Prot::READ, flags & elf_abi::PF_R != 0);
    prot.set(Prot::WRITE, flags & elf_abi::PF_W != 0);
    prot.set(Prot::EXEC, flags & elf_abi::PF_X != 0);
    prot
}

/// Stores the strings and the argv array at the top of the stack; returns the stack pointer and the address of
/// argv.
fn push_arguments(
    space: &mut Space,
    program: &Program,
    arguments: &Arguments,
) -> Result<(u64, u64), Errno> {
    let strings = (program.stack_top - arguments.used as u64) & !15;
    let count = arguments.count;
    let argv = (strings - (count as u64 + 1) * 8) & !15;
    if argv < program.stack_bottom {
        return Err(Errno::ArgumentsTooLong);
    }
    let text = arguments
        .bytes
        .bytes()
        .get(..arguments.used)
        .unwrap_or_default();
    store(space, strings, text)?;
    for (i, &start) in arguments.starts.iter().take(count).enumerate() {
        let address = strings + u64::from(start);
        store(space, argv + 8 * i as u64, &address.to_le_bytes())?;
    }
    store(space, argv + 8 * count as u64, &0u64.to_le_bytes())?;
    Ok((argv, argv))
}

/// Writes to an address space that is not in use yet.
fn store(space: &mut Space, address: u64, bytes: &[u8]) -> Result<(), Errno> {
    let mut done = 0;
    while done < bytes.len() {
        let at = address + done as u64;
        let in_page = (at % PAGE) as usize;
        let count = (PAGE_SIZE - in_page).min(bytes.len() - done);
        match space.fault(at, Access::Write) {
            Ok(Fault::Done) => {}
            Ok(Fault::NeedPage { .. }) | Err(vm::FaultError::Refused) => {
                return Err(Errno::BadAddress);
            }
            Err(vm::FaultError::OutOfMemory) => return Err(Errno::NoMemory),
        }
        let (pfn, _) = space.translate(at).ok_or(Errno::BadAddress)?;
        let part = bytes.get(done..done + count).ok_or(Errno::Invalid)?;
        let to = (address_of(pfn) + in_page) as *mut u8;
        // SAFETY: the fault has made the page writable in this space, which nobody else uses yet; the copy ends
        // within the page.
        unsafe { core::ptr::copy_nonoverlapping(part.as_ptr(), to, count) };
        done += count;
    }
    Ok(())
}
