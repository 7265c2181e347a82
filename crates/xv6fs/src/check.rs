//! The consistency check (fsck).
//!
//! It only reads. Each block of an inode belongs to it alone and is marked used, and no other block
//! is; link counts equal the number of names; directories are well-formed and form one tree.

use crate::device::BlockDevice;
use crate::dir::Name;
use crate::layout::{DiskInode, INDIRECT, number_at};
use crate::{Error, Fs, Inum, ROOT, cache::Reuse};
use abi::FileType;
use alloc::vec::Vec;
use core::fmt;

/// Problems that a [`Report`] lists; more are only counted.
const MAX_DESCRIBED: usize = 32;

/// An inconsistency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The check could not continue.
    Stopped(Error),
    /// An inode with an impossible type, size or link count.
    BadInode(Inum, Error),
    /// A block that is mapped twice: by the second inode, and the block.
    SharedBlock(Inum, u32),
    /// An inode maps a block outside the data area.
    BadBlock(Inum, u32),
    /// A hole: part of a file without a block.
    Hole(Inum),
    /// A device inode with data.
    DeviceContent(Inum),
    /// A block in use that the bitmap marks free.
    MarkedFree(u32),
    /// A block marked used that no inode maps.
    LostBlock(u32),
    /// A directory whose `.` or `..` is missing or wrong.
    BadDots(Inum),
    /// An entry of this directory names a free or nonexistent inode.
    DanglingEntry(Inum, Inum),
    /// A directory with a duplicate or invalid name.
    BadName(Inum),
    /// A directory with two names.
    TwoParents(Inum),
    /// An inode, its link count, and the correct one.
    LinkCount(Inum, i16, u32),
    /// An inode in use that no directory names.
    Orphan(Inum),
    /// A directory not reachable from the root.
    Unreachable(Inum),
}

/// The result of [`check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The first problems.
    pub problems: Vec<Problem>,
    /// Number of problems.
    pub count: usize,
    /// Files.
    pub files: u32,
    /// Directories, including the root.
    pub directories: u32,
    /// Devices.
    pub devices: u32,
    /// Blocks in use, including indirect blocks.
    pub used_blocks: u32,
}

impl Report {
    /// Whether no problem was found.
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

/// Checks a whole file system. Unlinked inodes that are still open are reported as orphans.
/// Allocates a few bytes for each inode and one for each block.
pub fn check<D: BlockDevice>(fs: &mut Fs<D>) -> Report {
    let mut report = Report::default();
    if let Err(error) = run(fs, &mut report) {
        report.add(Problem::Stopped(error));
    }
    report
}

/// What the check found out about an inode.
#[derive(Clone, Default)]
struct Found {
    kind: Option<FileType>,
    nlink: i16,
    /// Directory entries that name it.
    names: u32,
    /// Its subdirectories.
    children: u32,
    /// The directory that names this directory; 0 for none.
    parent: Inum,
    /// The inode that its `..` names.
    dotdot: Inum,
}

fn run<D: BlockDevice>(fs: &mut Fs<D>, report: &mut Report) -> Result<(), Error> {
    let superblock = *fs.superblock();
    let mut owned = filled(superblock.nblocks as usize, false)?;
    let mut known = filled(superblock.ninodes as usize, Found::default())?;
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
    check_links(&known, report);
    Ok(())
}

/// Checks one inode and claims its blocks.
fn inspect<D: BlockDevice>(
    fs: &mut Fs<D>,
    inum: Inum,
    known: &mut Found,
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
    claim_blocks(fs, inum, &inode, owned, report)
}

fn claim_blocks<D: BlockDevice>(
    fs: &mut Fs<D>,
    inum: Inum,
    inode: &DiskInode,
    owned: &mut [bool],
    report: &mut Report,
) -> Result<(), Error> {
    let mut claims = Claims {
        inum,
        blocks: inode.blocks(),
        owned,
        report,
        hole: false,
    };
    for (slot, &number) in inode.addrs.iter().enumerate() {
        let first = fs.superblock().first_block(slot);
        let levels = fs.superblock().levels_at(slot);
        claims.claim(fs, number, first, levels)?;
    }
    if claims.hole {
        report.add(Problem::Hole(inum));
    }
    Ok(())
}

/// What is found out while the blocks of one inode are claimed.
struct Claims<'a> {
    inum: Inum,
    /// Blocks up to its size.
    blocks: usize,
    owned: &'a mut [bool],
    report: &'a mut Report,
    hole: bool,
}

impl Claims<'_> {
    /// Claims a data block, or an indirect one with so many levels and all that they lead to: the
    /// file's blocks from `first` on. Those past the size are no problem: xv6 leaves some there when a
    /// write fails.
    fn claim<D: BlockDevice>(
        &mut self,
        fs: &mut Fs<D>,
        number: u32,
        first: usize,
        levels: u32,
    ) -> Result<(), Error> {
        if number == 0 {
            self.hole |= first < self.blocks;
            return Ok(());
        }
        let owned = self.own(fs.superblock().data_start(), number);
        let Some(below) = levels.checked_sub(1).filter(|_| owned) else {
            return Ok(());
        };
        for index in 0..INDIRECT {
            let child = number_at(fs.cache.read(number, Reuse::Likely)?, index);
            self.claim(fs, child, first + index * INDIRECT.pow(below), below)?;
        }
        Ok(())
    }

    /// Claims one block; false if that is not possible.
    fn own(&mut self, data_start: u32, number: u32) -> bool {
        let slot = number
            .checked_sub(data_start)
            .and_then(|index| self.owned.get_mut(index as usize));
        match slot {
            None => self.report.add(Problem::BadBlock(self.inum, number)),
            Some(true) => self.report.add(Problem::SharedBlock(self.inum, number)),
            Some(slot) => {
                *slot = true;
                self.report.used_blocks += 1;
                return true;
            }
        }
        false
    }
}

/// Checks the entries of one directory.
fn walk<D: BlockDevice>(
    fs: &mut Fs<D>,
    dir: Inum,
    known: &mut [Found],
    report: &mut Report,
) -> Result<(), Error> {
    let inode = fs.inode(dir)?;
    let mut names: Vec<&[u8]> = Vec::new();
    let mut content = filled(inode.size as usize, 0u8)?;
    match fs.read_data(&inode, 0, &mut content) {
        Ok(_) => {}
        Err(Error::Device) => return Err(Error::Device),
        // Already reported as a hole or a bad block.
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
fn count_name(dir: Inum, inum: Inum, known: &mut [Found], report: &mut Report) {
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

/// Compares link counts and `..` entries with the names found.
fn check_links(known: &[Found], report: &mut Report) {
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

/// Whether a directory's ancestors lead to the root.
fn leads_to_root(known: &[Found], dir: Inum) -> bool {
    let mut at = dir;
    for _ in known {
        if at == ROOT {
            return true;
        }
        at = known.get(at as usize).map_or(0, |known| known.parent);
    }
    false
}

fn kind_of(known: &[Found], inum: Inum) -> Option<FileType> {
    known.get(inum as usize).and_then(|known| known.kind)
}

/// A vector of `length` copies of `value`.
fn filled<T: Clone>(length: usize, value: T) -> Result<Vec<T>, Error> {
    let mut vector = Vec::new();
    vector
        .try_reserve_exact(length)
        .map_err(|_| Error::NoMemory)?;
    vector.resize(length, value);
    Ok(vector)
}
