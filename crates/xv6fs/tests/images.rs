//! Images in the layout of xv6's `mkfs`, built by hand, and damaged ones.

mod common;

use abi::FileType::{Directory, File};
use common::*;
use xv6fs::{Block, BlockDevice, Error, Fs, ROOT, check};

const BLOCKS: u32 = 1000;
const LOG: u32 = 2;
const INODES: u32 = 32;
const BITMAP: u32 = 45;
const DATA: u32 = 46;

fn put32(block: &mut Block, index: usize, value: u32) {
    block[index * 4..index * 4 + 4].copy_from_slice(&value.to_le_bytes());
}

fn get32(block: &Block, index: usize) -> u32 {
    u32::from_le_bytes(
        block[index * 4..index * 4 + 4]
            .try_into()
            .expect("four bytes"),
    )
}

/// Builds an image as `mkfs` does: the root first, then the files.
struct Builder {
    image: Vec<Block>,
    next_block: u32,
    next_inode: u32,
    root: Vec<u8>,
}

impl Builder {
    fn new() -> Self {
        let mut image = vec![[0; 1024]; BLOCKS as usize];
        for (index, value) in [
            0x1020_3040,
            BLOCKS,
            BLOCKS - DATA,
            200,
            30,
            LOG,
            INODES,
            BITMAP,
        ]
        .into_iter()
        .enumerate()
        {
            put32(&mut image[1], index, value);
        }
        let mut builder = Self {
            image,
            next_block: DATA,
            next_inode: 2,
            root: Vec::new(),
        };
        builder.name(".", 1);
        builder.name("..", 1);
        builder
    }

    fn name(&mut self, name: &str, inum: u32) {
        let mut entry = [0; 16];
        entry[..2].copy_from_slice(&(inum as u16).to_le_bytes());
        entry[2..2 + name.len()].copy_from_slice(name.as_bytes());
        self.root.extend(entry);
    }

    fn content(&mut self, inum: u32, kind: u16, size: u32, data: &[u8]) {
        let mut inode = [0u32; 16];
        inode[0] = u32::from(kind);
        inode[1] = 1 << 16;
        inode[2] = size;
        for (index, chunk) in data.chunks(1024).enumerate() {
            let block = self.next_block;
            self.next_block += 1;
            self.image[block as usize][..chunk.len()].copy_from_slice(chunk);
            if index < 12 {
                inode[3 + index] = block;
                continue;
            }
            if inode[15] == 0 {
                inode[15] = self.next_block;
                self.next_block += 1;
            }
            put32(&mut self.image[inode[15] as usize], index - 12, block);
        }
        let at = (inum % 16 * 16) as usize;
        for (index, word) in inode.into_iter().enumerate() {
            put32(
                &mut self.image[(INODES + inum / 16) as usize],
                at + index,
                word,
            );
        }
    }

    fn file(&mut self, name: &str, data: &[u8]) -> u32 {
        let inum = self.next_inode;
        self.next_inode += 1;
        self.name(name, inum);
        self.content(inum, 2, data.len() as u32, data);
        inum
    }

    /// Rounds the root's size up to whole blocks, as `mkfs` does.
    fn finish(mut self) -> Vec<Block> {
        let mut root = std::mem::take(&mut self.root);
        root.resize(root.len().next_multiple_of(1024), 0);
        self.content(1, 1, root.len() as u32, &root);
        for bit in 0..self.next_block {
            self.image[(BITMAP + bit / 8192) as usize][(bit % 8192 / 8) as usize] |= 1 << (bit % 8);
        }
        self.image
    }
}

fn by_hand() -> Vec<Block> {
    let mut builder = Builder::new();
    builder.file("README", b"a small file\n");
    builder.file("usertests", &pattern(1, 180_001));
    builder.file("empty", b"");
    for i in 0..70 {
        builder.file(&format!("f{i}"), &pattern(i, 100));
    }
    builder.finish()
}

#[test]
fn an_mkfs_image_mounts_and_works() {
    let mut fs = Fs::mount(Disk::from_image(by_hand()), 40).expect("mount");
    assert_clean(&mut fs, "as it came");
    assert_eq!(
        fs.device().steps,
        0,
        "mounting a clean image writes nothing"
    );
    assert_eq!(names(&mut fs, ROOT).len(), 73);
    let readme = fs.resolve(ROOT, b"README").expect("README");
    assert_eq!(content(&mut fs, readme), b"a small file\n");
    let large = fs.resolve(ROOT, b"usertests").expect("usertests");
    assert_eq!(content(&mut fs, large), pattern(1, 180_001));

    let size = fs.stat(ROOT).expect("stat").size;
    let dir = create(&mut fs, ROOT, b"dir", Directory);
    assert_eq!(
        fs.stat(ROOT).expect("stat").size,
        size,
        "free dirents are reused"
    );
    let new = create(&mut fs, dir, b"new", File);
    write_all(&mut fs, new, 0, &pattern(2, 30_000)).expect("write");
    fs.truncate(large).expect("truncate");
    assert_clean(&mut fs, "after changes");
}

#[test]
fn names_end_at_the_first_zero() {
    let mut image = by_hand();
    let root = get32(&image[INODES as usize], 16 + 3) as usize;
    assert_eq!(&image[root][34..42], b"README\0\0");
    image[root][41] = b'x';
    let mut fs = Fs::mount(Disk::from_image(image), 40).expect("mount");
    assert_eq!(fs.lookup(ROOT, b"README"), Ok(Some(2)));
    assert_eq!(fs.lookup(ROOT, b"READM"), Ok(None));
    assert_clean(&mut fs, "a name with bytes after the zero");
}

#[test]
fn impossible_inodes_are_corrupt() {
    for (word, value) in [(0, 0x0001_0009), (1, 0xffff_0000), (2, 268 * 1024 + 1)] {
        let mut image = by_hand();
        put32(&mut image[INODES as usize], 2 * 16 + word, value);
        let mut fs = Fs::mount(Disk::from_image(image), 40).expect("mount");
        let result = fs.stat(2);
        assert!(
            matches!(result, Err(Error::Corrupt(_))),
            "word {word}: {result:?}"
        );
        assert!(
            matches!(fs.unlink(ROOT, b"README"), Err(Error::Corrupt(_))),
            "word {word}"
        );
    }
}

/// Reads our image by offsets alone.
#[test]
fn our_images_have_the_layout_of_mkfs() {
    let mut fs = fresh(BLOCKS, 200);
    let file = create(&mut fs, ROOT, b"file", File);
    let data = pattern(5, 40_000);
    write_all(&mut fs, file, 0, &data).expect("write");
    let image = fs.unmount().expect("unmount").image();
    let superblock: Vec<u32> = (0..8).map(|i| get32(&image[1], i)).collect();
    assert_eq!(
        superblock,
        [
            0x1020_3040,
            BLOCKS,
            BLOCKS - DATA,
            200,
            30,
            LOG,
            INODES,
            BITMAP
        ]
    );
    let inode = |inum: usize, word: usize| get32(&image[INODES as usize], inum * 16 + word);
    assert_eq!(
        (inode(1, 0), inode(1, 1) >> 16, inode(1, 2)),
        (1, 1, 48),
        "root"
    );
    let root = &image[inode(1, 3) as usize];
    assert_eq!(&root[..48], b"\x01\0.\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0..\0\0\0\0\0\0\0\0\0\0\0\0\x02\0file\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(
        (inode(2, 0), inode(2, 1) >> 16, inode(2, 2)),
        (2, 1, 40_000),
        "file"
    );
    let indirect = &image[inode(2, 15) as usize];
    let found: Vec<u8> = (0..40)
        .map(|i| {
            if i < 12 {
                inode(2, 3 + i)
            } else {
                get32(indirect, i - 12)
            }
        })
        .flat_map(|block| image[block as usize])
        .take(40_000)
        .collect();
    assert!(found == data, "the file's blocks hold its data");
    assert_eq!(get32(&image[LOG as usize], 0), 0, "the log is clear");
}

#[test]
fn a_committed_log_is_installed() {
    let mut image = by_hand();
    let readme = get32(&image[INODES as usize], 2 * 16 + 3);
    put32(&mut image[LOG as usize], 0, 1);
    put32(&mut image[LOG as usize], 1, readme);
    image[LOG as usize + 1][..13].copy_from_slice(b"from the log\n");
    let mut fs = Fs::mount(Disk::from_image(image), 40).expect("mount");
    let inum = fs.resolve(ROOT, b"README").expect("README");
    assert_eq!(content(&mut fs, inum), b"from the log\n");
    assert_eq!(
        get32(&fs.unmount().expect("unmount").image()[LOG as usize], 0),
        0,
        "the log is clear"
    );
}

#[test]
fn an_invalid_log_is_refused_and_not_installed() {
    for (count, block) in [
        (1, 0),
        (1, 1),
        (1, LOG),
        (1, BLOCKS),
        (1, u32::MAX),
        (30, DATA),
        (u32::MAX, DATA),
    ] {
        let mut image = by_hand();
        put32(&mut image[LOG as usize], 0, count);
        for index in 1..256 {
            put32(&mut image[LOG as usize], index, block);
        }
        let mut disk = Disk::from_image(image.clone());
        let error = Fs::mount(&mut disk, 40).err();
        assert!(
            matches!(error, Some(Error::Corrupt(_))),
            "{count} of {block}: {error:?}"
        );
        assert!(
            disk.image() == image,
            "{count} of {block}: the disk was changed"
        );
    }
}

/// xv6 leaves a block past the size when a write fails midway; its stale data must not show.
#[test]
fn blocks_past_the_size_are_used_and_freed() {
    let mut image = by_hand();
    let block = BLOCKS - 1;
    image[block as usize] = [0xee; 1024];
    // The second block of README, which has 13 bytes.
    put32(&mut image[INODES as usize], 2 * 16 + 4, block);
    image[BITMAP as usize][block as usize / 8] |= 1 << (block % 8);
    let mut fs = Fs::mount(Disk::from_image(image), 40).expect("mount");
    assert_clean(&mut fs, "a block past the size");
    let inum = fs.resolve(ROOT, b"README").expect("README");
    let free = fs.free_blocks().expect("count");
    write_all(&mut fs, inum, 13, &pattern(1, 1020)).expect("write");
    write_all(&mut fs, inum, 1033, b"z").expect("write");
    assert_eq!(fs.free_blocks(), Ok(free), "the block is reused");
    fs.checkpoint().expect("checkpoint");
    assert_eq!(
        fs.device().image()[block as usize][10..],
        [0; 1014],
        "its stale data is gone"
    );
    fs.truncate(inum).expect("truncate");
    assert_eq!(fs.free_blocks(), Ok(free + 2));
    assert_clean(&mut fs, "truncated");
}

/// A hole is corruption; a write fills it and shows no stale data.
#[test]
fn a_hole_can_be_written_but_not_read() {
    let mut image = by_hand();
    // The second block of usertests.
    put32(&mut image[INODES as usize], 3 * 16 + 4, 0);
    for block in image
        .iter_mut()
        .skip(DATA as usize)
        .filter(|block| **block == [0; 1024])
    {
        *block = [0xee; 1024];
    }
    let mut fs = Fs::mount(Disk::from_image(image), 40).expect("mount");
    let inum = fs.resolve(ROOT, b"usertests").expect("usertests");
    let mut bytes = [1; 1024];
    assert!(matches!(
        fs.read(inum, 1024, &mut bytes),
        Err(Error::Corrupt(_))
    ));
    assert_eq!(fs.write(inum, 1030, b"here"), Ok(4));
    assert_eq!(fs.read(inum, 1024, &mut bytes), Ok(1024));
    assert_eq!(&bytes[..10], b"\0\0\0\0\0\0here");
    assert_eq!(bytes[10..], [0; 1014], "stale data");
}

type Damage = fn(&mut Vec<Block>);

#[test]
fn check_finds_damage() {
    let root_inode = 16;
    let damage: [(&str, Damage); 9] = [
        ("lost block", |i| i[BITMAP as usize][124] |= 0x80),
        ("marked free", |i| i[BITMAP as usize][6] = 0),
        ("link count", |i| i[INODES as usize][2 * 64 + 6] = 2),
        ("orphan", |i| i[INODES as usize + 11][0] = 2),
        ("shared block", |i| {
            let block = get32(&i[INODES as usize], 2 * 16 + 3);
            put32(&mut i[INODES as usize], 2 * 16 + 4, block);
        }),
        ("bad block", |i| {
            put32(&mut i[INODES as usize], 2 * 16 + 3, 5)
        }),
        ("hole", |i| put32(&mut i[INODES as usize], 3 * 16 + 3, 0)),
        ("dangling entry", |i| i[INODES as usize][2 * 64] = 0),
        ("bad dots", |i| {
            let block = get32(&i[INODES as usize], 16 + 3);
            i[block as usize][16] = 7;
        }),
    ];
    assert_eq!(get32(&by_hand()[INODES as usize], root_inode) & 0xffff, 1);
    for (what, harm) in damage {
        let mut image = by_hand();
        harm(&mut image);
        if what == "orphan" {
            // With a link, or mount frees it.
            image[INODES as usize + 11][6] = 1;
        }
        let mut fs = Fs::mount(Disk::from_image(image), 40).expect(what);
        let report = check(&mut fs);
        assert!(!report.is_clean(), "{what} was not seen");
    }
}

/// Runs every operation on arbitrary inodes; errors are fine.
fn use_everything(fs: &mut Fs<Disk>, random: &mut Random) {
    let mut bytes = [0; 3000];
    for inum in 0..60 {
        let _ = fs.stat(inum);
        let _ = fs.read(inum, random.below(300_000) as u64, &mut bytes);
        let _ = fs.lookup(inum, b"f1");
    }
    let _ = fs.resolve(ROOT, b"/d/../d/../d/./x/y/f1");
    for round in 0..40 {
        let dir = if round % 2 == 0 {
            ROOT
        } else {
            random.below(60) as u32
        };
        let name = format!("f{}", random.below(12));
        let inum = random.below(60) as u32;
        let _ = match random.below(8) {
            0 => fs.create(dir, name.as_bytes(), File, 0, 0).map(drop),
            1 => fs.create(dir, name.as_bytes(), Directory, 0, 0).map(drop),
            2 => fs.link(inum, dir, name.as_bytes()),
            3 => fs.unlink(dir, name.as_bytes()).map(drop),
            4 => fs.free(inum),
            5 => fs.truncate(inum),
            _ => fs
                .write(inum, random.below(20_000) as u64, &bytes)
                .map(drop),
        };
    }
    let _ = (fs.free_blocks(), fs.free_inodes());
    let _ = check(fs).to_string();
}

#[test]
fn damaged_images_give_errors_not_panics() {
    let mut fs = fresh(200, 60);
    for i in 0..10 {
        let f = create(&mut fs, ROOT, format!("f{i}").as_bytes(), File);
        write_all(&mut fs, f, 0, &pattern(i, usize::from(i) * 3000 % 20_000)).expect("write");
    }
    let d = create(&mut fs, ROOT, b"d", Directory);
    create(&mut fs, d, b"x", Directory);
    let metadata = fs.superblock().data_start() as usize + 2;
    let inodes = fs.superblock().inodestart as usize;
    let image = fs.unmount().expect("unmount").image();
    let (mut mounted, runs) = (0, 1500);
    for seed in 0..runs {
        let mut random = Random::new(seed);
        let mut image = image.clone();
        for _ in 0..=random.below(6) {
            let block = match random.below(8) {
                0 => 1,
                1 => 2 + random.below(2),
                2 => random.below(image.len() - 1) + 1,
                3 | 4 => inodes + random.below(4),
                _ => inodes + random.below(metadata - inodes),
            };
            let at = random.below(if block < 3 { 40 } else { 1024 });
            image[block][at] = match random.below(3) {
                0 => random.next() as u8,
                1 => image[block][at] ^ (1 << random.below(8)),
                _ => 0xff,
            };
        }
        if let Ok(mut fs) = Fs::mount(Disk::from_image(image), 40) {
            mounted += 1;
            use_everything(&mut fs, &mut random);
        }
    }
    assert!(mounted > runs / 4, "{mounted} of {runs} mounted: too few");
    assert!(mounted < runs, "no damage was noticed by mounting");
}

/// A directory that is its own child.
#[test]
fn directory_cycles_end() {
    let mut fs = fresh(200, 60);
    let a = create(&mut fs, ROOT, b"a", Directory);
    create(&mut fs, a, b"b", File);
    let mut device = fs.unmount().expect("unmount");
    let (mut bytes, mut found) = ([0; 1024], 0);
    for block in 0..200 {
        device.read(block, &mut bytes).expect("read");
        for at in (32..1024).step_by(16).filter(|_| bytes[2..4] == *b".\0") {
            if bytes[at + 2..at + 4] == *b"b\0" {
                bytes[at] = a as u8;
                device.write(block, &bytes).expect("write");
                found += 1;
                break;
            }
        }
    }
    assert!(found > 0, "no entry to damage");
    let mut fs = Fs::mount(device, 40).expect("mount");
    assert_eq!(fs.resolve(ROOT, b"a/b/b/b/b"), Ok(a));
    assert!(matches!(fs.unlink(a, b"b"), Err(Error::Corrupt(_))));
    assert!(!check(&mut fs).is_clean());
}
