//! A disk in memory that can fail and crash, and helpers to inspect a file system.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod scenario;

use std::collections::BTreeMap;
use xv6fs::{Block, BlockDevice, DeviceError, Error, FormatOptions, Fs, Inum, ROOT, check};

/// When a [`Disk`] fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    Never,
    /// From this step on; steps are writes and flushes.
    From(usize),
    /// `During(at, count, stop)`: for `count` steps from `at`, and from `stop` on.
    During(usize, usize, usize),
}

/// A disk with a write cache: a crash may lose any subset of the unflushed writes.
#[derive(Clone)]
pub struct Disk {
    durable: Vec<Block>,
    /// Unflushed writes, oldest first.
    pending: Vec<(u32, Block)>,
    pub steps: usize,
    pub reads: usize,
    pub flushes: usize,
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
            flushes: 0,
            failure: Failure::Never,
        }
    }

    /// The contents if no write is lost.
    pub fn image(&self) -> Vec<Block> {
        let mut image = self.durable.clone();
        for (block, bytes) in &self.pending {
            image[*block as usize] = *bytes;
        }
        image
    }

    /// Writes that a crash may lose.
    pub fn unflushed(&self) -> usize {
        self.pending.len()
    }

    /// The disk after a crash that keeps the unflushed writes for which `keep` returns `true`.
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
            Failure::During(at, count, stop)
                if (at..at + count).contains(&step) || step >= stop =>
            {
                Err(DeviceError)
            }
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
        assert_ne!(block, 0, "a write to the boot block");
        self.pending.push((block, *buffer));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        self.step()?;
        self.flushes += 1;
        for (block, bytes) in self.pending.drain(..) {
            self.durable[block as usize] = bytes;
        }
        Ok(())
    }
}

/// Deterministic random numbers (xorshift64*, Vigna 2016).
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

/// A new file system with xv6's log size.
pub fn fresh(blocks: u32, inodes: u32) -> Fs<Disk> {
    let options = FormatOptions {
        blocks,
        inodes,
        ..FormatOptions::default()
    };
    Fs::format(Disk::new(blocks), &options).expect("format")
}

/// Data that differs by position.
pub fn pattern(seed: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i as u8) ^ ((i >> 8) as u8).wrapping_mul(31) ^ seed)
        .collect()
}

/// Writes all of `data`, in as many calls as it takes.
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

/// All data of an inode.
pub fn content<D: BlockDevice>(fs: &mut Fs<D>, inum: Inum) -> Vec<u8> {
    let size = fs.stat(inum).expect("stat").size as usize;
    let mut bytes = vec![0; size + 1];
    let count = fs.read(inum, 0, &mut bytes).expect("read");
    assert_eq!(count, size, "bytes read of inode {inum}");
    bytes.truncate(size);
    bytes
}

/// The entries of a directory except `.` and `..`.
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

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    Directory(i16),
    File(i16, Vec<u8>),
    Device(i16, i16, i16),
}

/// All paths and their nodes.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// Creates an inode, which must succeed.
pub fn create(fs: &mut Fs<Disk>, dir: Inum, name: &[u8], kind: abi::FileType) -> Inum {
    fs.create(dir, name, kind, 0, 0).expect("create")
}

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

/// Asserts that the check finds no problem.
pub fn assert_clean<D: BlockDevice>(fs: &mut Fs<D>, when: &str) {
    let report = check(fs);
    assert!(report.is_clean(), "{when}: {report}");
}
