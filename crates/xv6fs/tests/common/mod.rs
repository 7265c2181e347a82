//! A disk in memory that can fail and crash, and what tests look at a file system with.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::collections::BTreeMap;
use xv6fs::{Block, BlockDevice, DeviceError, Error, FormatOptions, Fs, Inum, ROOT, check};

/// When a [`Disk`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Never,
    /// At this step (writes and flushes count) and ever after.
    From(usize),
    /// At this step only.
    At(usize),
}

/// A disk with a write cache: what was not flushed may be lost by a crash, in any part.
#[derive(Clone)]
pub struct Disk {
    durable: Vec<Block>,
    /// Written and not flushed, oldest first.
    pending: Vec<(u32, Block)>,
    pub steps: usize,
    pub reads: usize,
    pub failure: Failure,
}

impl Disk {
    pub fn new(blocks: u32) -> Self {
        Self::from_image(vec![[0xa5; 1024]; blocks as usize])
    }

    pub fn from_image(durable: Vec<Block>) -> Self {
        Self {
            durable,
            pending: Vec::new(),
            steps: 0,
            reads: 0,
            failure: Failure::Never,
        }
    }

    /// What is on the disk when nothing is lost.
    pub fn image(&self) -> Vec<Block> {
        let mut image = self.durable.clone();
        for (block, bytes) in &self.pending {
            image[*block as usize] = *bytes;
        }
        image
    }

    /// The disk after a crash that keeps those unflushed writes for which `keep` says so.
    pub fn crash(mut self, mut keep: impl FnMut() -> bool) -> Disk {
        for (block, bytes) in self.pending.drain(..) {
            if keep() {
                self.durable[block as usize] = bytes;
            }
        }
        Disk::from_image(self.durable)
    }

    fn step(&mut self) -> Result<(), DeviceError> {
        let step = self.steps;
        self.steps += 1;
        match self.failure {
            Failure::From(n) if step >= n => Err(DeviceError),
            Failure::At(n) if step == n => Err(DeviceError),
            _ => Ok(()),
        }
    }
}

impl BlockDevice for Disk {
    fn blocks(&self) -> u32 {
        self.durable.len() as u32
    }

    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError> {
        self.reads += 1;
        let pending = self.pending.iter().rev().find(|(b, _)| *b == block);
        let durable = self.durable.get(block as usize).ok_or(DeviceError)?;
        *buffer = pending.map_or(*durable, |(_, bytes)| *bytes);
        Ok(())
    }

    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError> {
        self.step()?;
        assert!(block < self.blocks(), "a write beyond the end: {block}");
        assert_ne!(block, 0, "the boot block is nobody's");
        self.pending.push((block, *buffer));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.step()?;
        for (block, bytes) in self.pending.drain(..) {
            self.durable[block as usize] = bytes;
        }
        Ok(())
    }
}

/// Numbers that are the same in every run (xorshift64*, Vigna 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }
}

/// A fresh file system of so many blocks and inodes with xv6's log.
pub fn fresh(blocks: u32, inodes: u32) -> Fs<Disk> {
    let options = FormatOptions {
        blocks,
        inodes,
        ..FormatOptions::default()
    };
    Fs::format(Disk::new(blocks), &options).expect("format")
}

/// Bytes that tell one place in a file from another.
pub fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8) ^ ((i >> 8) as u8).wrapping_mul(31) ^ seed)
        .collect()
}

/// Writes all of it, a call at a time.
pub fn write_all(fs: &mut Fs<Disk>, inum: Inum, offset: u64, data: &[u8]) -> Result<(), Error> {
    let mut done = 0;
    while done < data.len() {
        let count = fs.write(inum, offset + done as u64, &data[done..])?;
        assert!(
            count > 0,
            "a write of {} bytes wrote none",
            data.len() - done
        );
        done += count;
    }
    Ok(())
}

/// All content of an inode.
pub fn content<D: BlockDevice>(fs: &mut Fs<D>, inum: Inum) -> Vec<u8> {
    let size = fs.stat(inum).expect("stat").size as usize;
    let mut bytes = vec![0; size + 1];
    let count = fs.read(inum, 0, &mut bytes).expect("read");
    assert_eq!(count, size, "bytes read of inode {inum}");
    bytes.truncate(size);
    bytes
}

/// The entries of a directory but `.` and `..`.
pub fn names<D: BlockDevice>(fs: &mut Fs<D>, dir: Inum) -> Vec<(Vec<u8>, Inum)> {
    let mut names: Vec<_> = content(fs, dir)
        .chunks(16)
        .map(|e| {
            let name = e[2..].split(|&b| b == 0).next().unwrap_or_default();
            (name.to_vec(), Inum::from(u16::from_le_bytes([e[0], e[1]])))
        })
        .filter(|(name, inum)| *inum != 0 && name != b"." && name != b"..")
        .collect();
    names.sort();
    names
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Directory(i16),
    File(i16, Vec<u8>),
    Device(i16, i16, i16),
}

/// Everything that paths lead to.
pub type Tree = BTreeMap<Vec<u8>, Node>;

pub fn tree<D: BlockDevice>(fs: &mut Fs<D>) -> Tree {
    let mut tree = Tree::new();
    let mut todo = vec![(Vec::new(), ROOT)];
    while let Some((path, inum)) = todo.pop() {
        let info = fs.stat(inum).expect("stat");
        let node = match info.kind {
            abi::FileType::Directory => {
                for (name, inum) in names(fs, inum) {
                    todo.push(([&path, &b"/"[..], &name].concat(), inum));
                }
                Node::Directory(info.nlink)
            }
            abi::FileType::File => Node::File(info.nlink, content(fs, inum)),
            abi::FileType::Device => Node::Device(info.nlink, info.major, info.minor),
        };
        tree.insert(path, node);
    }
    tree
}

/// Asserts that nothing is wrong.
pub fn assert_clean<D: BlockDevice>(fs: &mut Fs<D>, when: &str) {
    let report = check(fs);
    assert!(report.is_clean(), "{when}: {report}");
}
