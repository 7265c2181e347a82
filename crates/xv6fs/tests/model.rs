//! Random operations against a model that keeps names and data in maps.

mod common;

use abi::FileType;
use common::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use xv6fs::{Error, Fs, Inum, ROOT, Unlinked};

const BLOCKS: u32 = 100;
const INODES: u32 = 24;

/// The model of an inode.
#[derive(Clone, Debug)]
enum Object {
    Directory(BTreeMap<Vec<u8>, Inum>),
    File(Vec<u8>),
    Device,
}

/// Operations; the numbers select existing inodes and names.
#[derive(Clone, Debug)]
enum Op {
    Create(usize, usize, u8),
    Write(usize, usize, usize, u8),
    Link(usize, usize, usize),
    Unlink(usize, usize),
    Free(usize),
    Truncate(usize),
    Read(usize, usize, usize),
    Remount,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..1000usize;
    prop_oneof![
        5 => (n.clone(), n.clone(), 0..5u8).prop_map(|(d, m, k)| Op::Create(d, m, k)),
        6 => (n.clone(), n.clone(), 0..40_000usize, any::<u8>())
            .prop_map(|(f, o, l, s)| Op::Write(f, o, l, s)),
        2 => (n.clone(), n.clone(), n.clone()).prop_map(|(f, d, m)| Op::Link(f, d, m)),
        4 => (n.clone(), n.clone()).prop_map(|(d, m)| Op::Unlink(d, m)),
        2 => n.clone().prop_map(Op::Free),
        1 => n.clone().prop_map(Op::Truncate),
        2 => (n.clone(), n.clone(), 0..5000usize).prop_map(|(f, o, l)| Op::Read(f, o, l)),
        1 => Just(Op::Remount),
    ]
}

struct Pair {
    /// Whether each operation commits.
    sync: bool,
    fs: Fs<Disk>,
    objects: BTreeMap<Inum, Object>,
    parents: BTreeMap<Inum, Inum>,
}

fn name(n: usize) -> Vec<u8> {
    match n % 9 {
        8 => b"a_name_longer_than_fourteen".to_vec(),
        n => format!("n{n}").into_bytes(),
    }
}

fn cut(name: &[u8]) -> Vec<u8> {
    name[..name.len().min(14)].to_vec()
}

impl Pair {
    fn new(sync: bool) -> Self {
        let mut fs = fresh(BLOCKS, INODES);
        fs.set_sync(sync);
        Self {
            sync,
            fs,
            objects: BTreeMap::from([(ROOT, Object::Directory(BTreeMap::new()))]),
            parents: BTreeMap::from([(ROOT, ROOT)]),
        }
    }

    fn any(&self, n: usize) -> Inum {
        let numbers: Vec<_> = self.objects.keys().copied().collect();
        numbers[n % numbers.len()]
    }

    fn entries(&self, dir: Inum) -> Option<&BTreeMap<Vec<u8>, Inum>> {
        match self.objects.get(&dir) {
            Some(Object::Directory(entries)) => Some(entries),
            _ => None,
        }
    }

    fn names_of(&self, inum: Inum) -> usize {
        let named = |dir: &Object| match dir {
            Object::Directory(entries) => entries.values().filter(|&&i| i == inum).count(),
            _ => 0,
        };
        usize::from(inum == ROOT) + self.objects.values().map(named).sum::<usize>()
    }

    /// The error for a new name in a directory, if any.
    fn refusal(&self, dir: Inum, name: &[u8]) -> Option<Error> {
        let Some(entries) = self.entries(dir) else {
            return Some(Error::NotDirectory);
        };
        if self.names_of(dir) == 0 {
            return Some(Error::NotFound);
        }
        entries.contains_key(&cut(name)).then_some(Error::Exists)
    }

    fn insert(&mut self, dir: Inum, name: &[u8], inum: Inum) {
        if let Some(Object::Directory(entries)) = self.objects.get_mut(&dir) {
            entries.insert(cut(name), inum);
        }
    }

    /// Running out is an error only when nothing is left: the largest operation takes 4 blocks.
    fn assert_full(&mut self, error: Error) {
        match error {
            Error::NoSpace => assert!(self.fs.free_blocks().expect("count") < 4),
            Error::NoInodes => assert_eq!(self.fs.free_inodes(), Ok(0)),
            error => panic!("{error:?}"),
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Create(d, n, kind) => self.create(self.any(d), &name(n), kind),
            Op::Write(f, o, l, s) => self.write(self.any(f), o, &pattern(s, l)),
            Op::Link(f, d, n) => self.link(self.any(f), self.any(d), &name(n)),
            Op::Unlink(d, n) => self.unlink(self.any(d), &name(n)),
            Op::Free(n) => self.free(self.any(n)),
            Op::Truncate(n) => self.truncate(self.any(n)),
            Op::Read(f, o, l) => self.read(self.any(f), o, l),
            Op::Remount => self.remount(),
        }
    }

    fn create(&mut self, dir: Inum, name: &[u8], kind: u8) {
        let (kind, object) = match kind {
            0 | 1 => (FileType::Directory, Object::Directory(BTreeMap::new())),
            2 => (FileType::Device, Object::Device),
            _ => (FileType::File, Object::File(Vec::new())),
        };
        let result = self.fs.create(dir, name, kind, 5, 6);
        match (self.refusal(dir, name), result) {
            (Some(expected), result) => assert_eq!(result, Err(expected), "create"),
            (None, Err(error)) => self.assert_full(error),
            (None, Ok(inum)) => {
                assert!(
                    self.objects.insert(inum, object).is_none(),
                    "{inum} is in use"
                );
                self.parents.insert(inum, dir);
                self.insert(dir, name, inum);
            }
        }
    }

    fn write(&mut self, inum: Inum, offset: usize, data: &[u8]) {
        let size = self.fs.stat(inum).expect("stat").size as usize;
        // Mostly at the end, so that files grow.
        let offset = if offset.is_multiple_of(3) {
            offset % (size + 2)
        } else {
            size
        };
        let result = self.fs.write(inum, offset as u64, data);
        let limit = self.fs.write_limit();
        let full = self.fs.free_blocks().expect("count") < 2;
        let Some(Object::File(bytes)) = self.objects.get_mut(&inum) else {
            assert!(
                matches!(result, Err(Error::IsDirectory | Error::Invalid)),
                "{result:?}"
            );
            return;
        };
        if offset > size {
            assert_eq!(result, Err(Error::Invalid), "past the end");
            return;
        }
        let fits = data
            .len()
            .min(limit)
            .min(self.fs.superblock().max_file_size() as usize - offset);
        let count = match result {
            Err(Error::NoSpace) if full => 0,
            Err(Error::FileTooLarge) if fits == 0 => 0,
            Err(error) => panic!("{error:?} for {} bytes at {offset}", data.len()),
            Ok(count) => {
                assert!(
                    count == fits || full && count > 0,
                    "{count} of {fits} bytes"
                );
                count
            }
        };
        bytes.resize(size.max(offset + count), 0);
        bytes[offset..offset + count].copy_from_slice(&data[..count]);
    }

    fn link(&mut self, inum: Inum, dir: Inum, name: &[u8]) {
        let expected = if self.entries(inum).is_some() {
            Some(Error::IsDirectory)
        } else if self.names_of(inum) == 0 {
            Some(Error::NotFound)
        } else {
            self.refusal(dir, name)
        };
        match (expected, self.fs.link(inum, dir, name)) {
            (Some(expected), result) => assert_eq!(result, Err(expected), "link"),
            (None, Err(error)) => self.assert_full(error),
            (None, Ok(())) => self.insert(dir, name, inum),
        }
    }

    fn unlink(&mut self, dir: Inum, name: &[u8]) {
        let result = self.fs.unlink(dir, name);
        let Some(entries) = self.entries(dir) else {
            assert_eq!(result, Err(Error::NotDirectory));
            return;
        };
        let Some(&inum) = entries.get(&cut(name)) else {
            assert_eq!(result, Err(Error::NotFound));
            return;
        };
        if self
            .entries(inum)
            .is_some_and(|entries| !entries.is_empty())
        {
            assert_eq!(result, Err(Error::NotEmpty));
            return;
        }
        if let Some(Object::Directory(entries)) = self.objects.get_mut(&dir) {
            entries.remove(&cut(name));
        }
        let nlink = self.names_of(inum) as i16;
        assert_eq!(result, Ok(Unlinked { inum, nlink }), "unlink");
    }

    fn free(&mut self, inum: Inum) {
        let result = self.fs.free(inum);
        if self.names_of(inum) > 0 {
            assert_eq!(result, Err(Error::Invalid), "it has a link");
        } else {
            assert_eq!(result, Ok(()));
            self.objects.remove(&inum);
        }
    }

    fn truncate(&mut self, inum: Inum) {
        let result = self.fs.truncate(inum);
        match self.objects.get_mut(&inum) {
            Some(Object::File(bytes)) => {
                assert_eq!(result, Ok(()));
                bytes.clear();
            }
            Some(Object::Directory(_)) => assert_eq!(result, Err(Error::IsDirectory)),
            _ => assert_eq!(result, Err(Error::Invalid)),
        }
    }

    fn read(&mut self, inum: Inum, offset: usize, length: usize) {
        let Some(Object::File(bytes)) = self.objects.get(&inum) else {
            return;
        };
        let offset = offset * 97 % (bytes.len() + 100);
        let expected: Vec<u8> = bytes.iter().skip(offset).take(length).copied().collect();
        let mut buffer = vec![0; length];
        let count = self
            .fs
            .read(inum, offset as u64, &mut buffer)
            .expect("read");
        assert!(
            buffer[..count] == expected,
            "{length} bytes at {offset}: {count} read"
        );
    }

    /// Unlinked inodes do not outlive the mount.
    fn remount(&mut self) {
        let mut fs = std::mem::replace(&mut self.fs, fresh(100, 20));
        if !self.sync {
            fs.commit().expect("commit");
        }
        self.fs = Fs::mount(fs.into_device().crash(|| false), 0).expect("mount");
        self.fs.set_sync(self.sync);
        let orphans: Vec<_> = self
            .objects
            .keys()
            .copied()
            .filter(|&inum| self.names_of(inum) == 0)
            .collect();
        for inum in orphans {
            self.objects.remove(&inum);
        }
        assert_clean(&mut self.fs, "mounted");
    }

    /// Compares all inodes with the model.
    fn compare(&mut self) {
        for (&inum, object) in &self.objects {
            match object {
                Object::File(bytes) => assert!(content(&mut self.fs, inum) == *bytes, "{inum}"),
                Object::Device => assert_eq!(self.fs.stat(inum).expect("stat").minor, 6),
                Object::Directory(entries) => {
                    let expected: Vec<_> = entries.clone().into_iter().collect();
                    assert_eq!(names(&mut self.fs, inum), expected, "directory {inum}");
                }
            }
        }
        let named: Vec<_> = self.objects.keys().copied().collect();
        for inum in named {
            if self.names_of(inum) > 0 && self.entries(inum).is_some() {
                let parent = self.parents[&inum];
                assert_eq!(
                    self.fs.lookup(inum, b".."),
                    Ok(Some(parent)),
                    "parent of {inum}"
                );
            }
        }
        assert_eq!(
            self.fs.free_inodes(),
            Ok(INODES - 1 - self.objects.len() as u32),
            "free inodes"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 60,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20),
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_with_the_model(ops in prop::collection::vec(op(), 1..120), sync: bool) {
        let mut pair = Pair::new(sync);
        for (step, op) in ops.iter().enumerate() {
            pair.apply(op);
            if step % 8 == 7 {
                pair.compare();
            }
        }
        pair.compare();
        pair.remount();
        pair.compare();
    }
}
