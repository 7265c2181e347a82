//! Whether a file system agrees with itself.
//!
//! Reads everything and changes nothing: every block of an inode is its own and marked used, and no
//! other is; link counts are those of the names; directories are well-formed and form one tree.

use crate::device::BlockDevice;
use crate::dir::Name;
use crate::layout::{DIRECT, DiskInode, INDIRECT, entry};
use crate::{Error, Fs, Inum, ROOT, cache::Use};
use abi::FileType;
use alloc::vec::Vec;
use core::fmt;

/// Most problems that a [`Report`] describes; the rest are counted.
const MAX_DESCRIBED: usize = 32;

/// One way in which a file system contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The check could not go on.
    Stopped(Error),
    /// An inode that is none: type, size or link count.
    BadInode(Inum, Error),
    /// A block that two have, or one twice; the second of them, and the block.
    SharedBlock(Inum, u32),
    /// An inode has a block number outside the content.
    BadBlock(Inum, u32),
    /// Content without a block.
    Gap(Inum),
    /// A device with content.
    DeviceContent(Inum),
    /// A block in use that the bitmap has as free.
    MarkedFree(u32),
    /// A block marked used that nothing has.
    LostBlock(u32),
    /// A directory without a right `.` or `..`.
    BadDots(Inum),
    /// A directory names an inode that is free or does not exist.
    DanglingEntry(Inum, Inum),
    /// Two entries of a directory with the same name, or an entry with a name that cannot be.
    BadName(Inum),
    /// A directory with two names.
    TwoParents(Inum),
    /// The link count of an inode, and what it should be.
    LinkCount(Inum, i16, u32),
    /// An inode in use that no directory names.
    Orphan(Inum),
    /// A directory that no path from the root leads to.
    Unreachable(Inum),
}

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first problems.
    pub problems: Vec<Problem>,
    /// Problems in all.
    pub count: usize,
    /// Files.
    pub files: u32,
    /// Directories, the root among them.
    pub directories: u32,
    /// Devices.
    pub devices: u32,
    /// Blocks of all of them, indirect blocks among them.
    pub used_blocks: u32,
}

impl Report {
    /// Whether there is nothing wrong.
    pub fn is_clean(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, problem: Problem) {
        self.count += 1;
        if self.problems.len() < MAX_DESCRIBED && self.problems.try_reserve(1).is_ok() {
            self.problems.push(problem);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} directories, {} files, {} devices, {} blocks, {} problems",
            self.directories, self.files, self.devices, self.used_blocks, self.count
        )?;
        for problem in &self.problems {
            write!(f, "\n  {problem:?}")?;
        }
        Ok(())
    }
}

/// Checks a whole file system. Inodes that have no name because they are still open show up as
/// orphans. Takes memory for some bytes an inode and one a block.
pub fn check<D: BlockDevice>(fs: &mut Fs<D>) -> Report {
    let mut report = Report::default();
    if let Err(error) = run(fs, &mut report) {
        report.add(Problem::Stopped(error));
    }
    report
}

/// What the check knows of an inode.
#[derive(Clone, Default)]
struct Known {
    kind: Option<FileType>,
    nlink: i16,
    /// Entries that name it.
    names: u32,
    /// Directories in this directory.
    children: u32,
    /// The directory that names this directory; 0 if none.
    parent: Inum,
    /// What its `..` says.
    dotdot: Inum,
}

fn run<D: BlockDevice>(fs: &mut Fs<D>, report: &mut Report) -> Result<(), Error> {
    let superblock = *fs.superblock();
    let mut owned = filled(superblock.nblocks as usize, false)?;
    let mut known = filled(superblock.ninodes as usize, Known::default())?;
    for (inum, known) in (0..superblock.ninodes).zip(&mut known).skip(1) {
        inspect(fs, inum, known, &mut owned, report)?;
    }
    for (number, owned) in (superblock.data_start()..superblock.size).zip(&owned) {
        match (fs.block_in_use(number)?, owned) {
            (false, true) => report.add(Problem::MarkedFree(number)),
            (true, false) => report.add(Problem::LostBlock(number)),
            _ => {}
        }
    }
    for number in 0..superblock.data_start() {
        if !fs.block_in_use(number)? {
            report.add(Problem::MarkedFree(number));
        }
    }
    for dir in ROOT..superblock.ninodes {
        if kind_of(&known, dir) == Some(FileType::Directory) {
            walk(fs, dir, &mut known, report)?;
        }
    }
    links(&known, report);
    Ok(())
}

/// Looks at one inode and its blocks.
fn inspect<D: BlockDevice>(
    fs: &mut Fs<D>,
    inum: Inum,
    known: &mut Known,
    owned: &mut [bool],
    report: &mut Report,
) -> Result<(), Error> {
    let inode = match fs.inode(inum) {
        Ok(inode) => inode,
        Err(Error::NotFound) => return Ok(()),
        Err(Error::Device) => return Err(Error::Device),
        Err(error) => {
            report.add(Problem::BadInode(inum, error));
            return Ok(());
        }
    };
    let kind = inode.file_type()?;
    (known.kind, known.nlink) = (Some(kind), inode.nlink);
    match kind {
        FileType::Directory => report.directories += 1,
        FileType::File => report.files += 1,
        FileType::Device => report.devices += 1,
    }
    if kind == FileType::Device && (inode.size != 0 || inode.addrs.iter().any(|&a| a != 0)) {
        report.add(Problem::DeviceContent(inum));
    }
    own_blocks(fs, inum, &inode, owned, report)
}

fn own_blocks<D: BlockDevice>(
    fs: &mut Fs<D>,
    inum: Inum,
    inode: &DiskInode,
    owned: &mut [bool],
    report: &mut Report,
) -> Result<(), Error> {
    let data_start = fs.superblock().data_start();
    let mut own = |number: u32, report: &mut Report| {
        let slot = number
            .checked_sub(data_start)
            .and_then(|index| owned.get_mut(index as usize));
        match slot {
            None => report.add(Problem::BadBlock(inum, number)),
            Some(true) => report.add(Problem::SharedBlock(inum, number)),
            Some(slot) => {
                *slot = true;
                report.used_blocks += 1;
                return true;
            }
        }
        false
    };
    // Blocks behind the size are no problem: xv6 leaves some there when a write fails.
    let mut gap = false;
    for (index, &number) in inode.addrs.iter().take(DIRECT).enumerate() {
        gap |= number == 0 && index < inode.blocks();
        let _ = number == 0 || own(number, report);
    }
    let indirect = inode.addrs[DIRECT];
    gap |= indirect == 0 && inode.blocks() > DIRECT;
    if indirect != 0 && own(indirect, report) {
        for index in 0..INDIRECT {
            let number = entry(fs.cache.read(indirect, Use::Often)?, index);
            gap |= number == 0 && DIRECT + index < inode.blocks();
            let _ = number == 0 || own(number, report);
        }
    }
    if gap {
        report.add(Problem::Gap(inum));
    }
    Ok(())
}

/// Looks at the entries of one directory.
fn walk<D: BlockDevice>(
    fs: &mut Fs<D>,
    dir: Inum,
    known: &mut [Known],
    report: &mut Report,
) -> Result<(), Error> {
    let inode = fs.inode(dir)?;
    let mut names: Vec<&[u8]> = Vec::new();
    let mut content = filled(inode.size as usize, 0u8)?;
    match fs.read_content(&inode, 0, &mut content) {
        Ok(_) => {}
        Err(Error::Device) => return Err(Error::Device),
        // Said already, as a gap or a bad block.
        Err(_) => return Ok(()),
    }
    let (mut this, mut parent) = (None, None);
    for [low, high, field @ ..] in content.as_chunks::<16>().0 {
        let inum = Inum::from(u16::from_le_bytes([*low, *high]));
        if inum == 0 {
            continue;
        }
        let end = field.iter().position(|&b| b == 0).unwrap_or(field.len());
        let name = field.get(..end).unwrap_or_default();
        names.try_reserve(1).map_err(|_| Error::NoMemory)?;
        names.push(name);
        match name {
            b"." => this = Some(inum),
            b".." => parent = Some(inum),
            name if Name::new(name).is_err() => report.add(Problem::BadName(dir)),
            _ => count_name(dir, inum, known, report),
        }
    }
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        report.add(Problem::BadName(dir));
    }
    if this != Some(dir) {
        report.add(Problem::BadDots(dir));
    }
    if let (Some(parent), Some(known)) = (parent, known.get_mut(dir as usize)) {
        known.dotdot = parent;
    }
    Ok(())
}

/// Counts an entry of `dir` that names `inum`.
fn count_name(dir: Inum, inum: Inum, known: &mut [Known], report: &mut Report) {
    let kind = kind_of(known, inum);
    let (Some(kind), Some(named)) = (kind, known.get_mut(inum as usize)) else {
        report.add(Problem::DanglingEntry(dir, inum));
        return;
    };
    named.names += 1;
    if kind == FileType::Directory {
        if named.parent != 0 || inum == ROOT {
            report.add(Problem::TwoParents(inum));
        }
        named.parent = dir;
        if let Some(parent) = known.get_mut(dir as usize) {
            parent.children += 1;
        }
    }
}

/// Compares link counts and parents with the names found.
fn links(known: &[Known], report: &mut Report) {
    for (inum, this) in (0..).zip(known) {
        let Some(kind) = this.kind else { continue };
        let is_root = inum == ROOT;
        if this.names == 0 && !is_root {
            report.add(Problem::Orphan(inum));
        }
        let expected = match kind {
            FileType::Directory => 1 + this.children,
            _ => this.names,
        };
        if u32::try_from(this.nlink) != Ok(expected) {
            report.add(Problem::LinkCount(inum, this.nlink, expected));
        }
        if kind == FileType::Directory {
            let parent = if is_root { ROOT } else { this.parent };
            if parent != 0 && this.dotdot != parent {
                report.add(Problem::BadDots(inum));
            }
            if parent != 0 && !leads_to_root(known, inum) {
                report.add(Problem::Unreachable(inum));
            }
        }
    }
}

/// Whether the way up from a directory ends at the root.
fn leads_to_root(known: &[Known], dir: Inum) -> bool {
    let mut at = dir;
    for _ in known {
        if at == ROOT {
            return true;
        }
        at = known.get(at as usize).map_or(0, |known| known.parent);
    }
    false
}

fn kind_of(known: &[Known], inum: Inum) -> Option<FileType> {
    known.get(inum as usize).and_then(|known| known.kind)
}

/// A vector of so many of this.
fn filled<T: Clone>(length: usize, value: T) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    vector
        .try_reserve_exact(length)
        .map_err(|_| Error::NoMemory)?;
    vector.resize(length, value);
    Ok(vector)
}
