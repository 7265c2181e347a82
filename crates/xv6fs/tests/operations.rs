//! Each operation: its results and its errors.

mod common;

use abi::FileType::{Device, Directory, File};
use common::*;
use xv6fs::{BlockDevice, Error, FormatOptions, Fs, ROOT, Unlinked};

/// Bytes of the largest file in xv6's format.
const MAX_FILE_SIZE: u32 = 268 * 1024;

#[test]
fn a_new_file_system_is_empty_and_clean() {
    let mut fs = fresh(2000, 200);
    assert_clean(&mut fs, "fresh");
    assert_eq!(names(&mut fs, ROOT), []);
    assert_eq!(fs.stat(ROOT).expect("stat").nlink, 1);
    assert_eq!(fs.lookup(ROOT, b"."), Ok(Some(ROOT)));
    assert_eq!(fs.lookup(ROOT, b".."), Ok(Some(ROOT)));
    // 2000 blocks: boot, super, 30 log, 13 inodes, 1 bitmap, 1 root.
    assert_eq!(fs.free_blocks(), Ok(2000 - 47));
    assert_eq!(fs.free_inodes(), Ok(198));
}

#[test]
fn data_reads_back_at_every_offset() {
    let mut fs = fresh(2000, 200);
    let inum = create(&mut fs, ROOT, b"f", File);
    let data = pattern(7, MAX_FILE_SIZE as usize);
    write_all(&mut fs, inum, 0, &data).expect("write");
    let mut fs = Fs::mount(fs.unmount().expect("unmount"), 0).expect("mount");
    for (offset, length) in [
        (0, 1),
        (1023, 2),
        (12 * 1024 - 1, 1026),
        (274_431, 9),
        (5, 9000),
    ] {
        let mut bytes = vec![0; length];
        let count = fs.read(inum, offset as u64, &mut bytes).expect("read");
        let expected = &data[offset..(offset + length).min(data.len())];
        assert_eq!(&bytes[..count], expected, "{length} bytes at {offset}");
    }
    assert_eq!(fs.read(inum, u64::MAX, &mut [0; 4]), Ok(0));
    assert_eq!(content(&mut fs, inum), data);
    assert_clean(&mut fs, "full file");
}

#[test]
fn small_writes_overwrite_and_extend() {
    let mut fs = fresh(2000, 200);
    let inum = create(&mut fs, ROOT, b"f", File);
    let mut expected = Vec::new();
    for (offset, length) in [
        (0, 10),
        (10, 2000),
        (1000, 50),
        (2010, 1),
        (2000, 14_000),
        (0, 1024),
    ] {
        let data = pattern(length as u8, length);
        write_all(&mut fs, inum, offset as u64, &data).expect("write");
        expected.resize(expected.len().max(offset + length), 0);
        expected[offset..offset + length].copy_from_slice(&data);
        assert_eq!(content(&mut fs, inum), expected, "{length} at {offset}");
    }
    assert_clean(&mut fs, "after small writes");
}

#[test]
fn writes_stop_at_the_limits() {
    let mut fs = fresh(2000, 200);
    let inum = create(&mut fs, ROOT, b"f", File);
    assert_eq!(fs.write(inum, 1, b"x"), Err(Error::Invalid), "past the end");
    assert_eq!(fs.write(inum, u64::MAX, b"x"), Err(Error::Invalid));
    assert_eq!(fs.write(inum, 0, b""), Ok(0));
    let limit = fs.write_limit();
    assert_eq!(limit, 25 * 1024, "what fits a log of 30 blocks");
    let data = pattern(1, MAX_FILE_SIZE as usize + 1);
    assert_eq!(fs.write(inum, 0, &data), Ok(limit));
    write_all(&mut fs, inum, 0, &data[..data.len() - 1]).expect("write");
    let end = u64::from(MAX_FILE_SIZE);
    assert_eq!(fs.write(inum, end, b"x"), Err(Error::FileTooLarge));
    assert_eq!(fs.write(inum, end, b""), Ok(0));
    assert_eq!(fs.write(inum, end - 1, b"xyz"), Ok(1), "up to the end");
    assert_eq!(fs.write(ROOT, 0, b"x"), Err(Error::IsDirectory));
    let device = fs.create(ROOT, b"d", Device, 1, 2).expect("create");
    assert_eq!(fs.write(device, 0, b"x"), Err(Error::Invalid));
    assert_eq!(fs.truncate(device), Err(Error::Invalid));
    assert_eq!(fs.truncate(ROOT), Err(Error::IsDirectory));
    let info = fs.stat(device).expect("stat");
    assert_eq!((info.kind, info.major, info.minor), (Device, 1, 2));
    assert_clean(&mut fs, "at the limits");
}

/// The largest file of a file system with large files: written, read, cut.
#[test]
fn large_files_have_all_their_blocks() {
    let options = FormatOptions {
        blocks: 70_000,
        inodes: 40,
        ..FormatOptions::large()
    };
    let mut fs = Fs::format(Disk::new(70_000), &options).expect("format");
    let inum = create(&mut fs, ROOT, b"large", File);
    let free = fs.free_blocks();
    let largest = u64::from(fs.superblock().max_file_size());
    assert_eq!(largest, 65_803 * 1024);
    let piece = |offset: u64| pattern((offset / 1024 % 251) as u8, 64 * 1024);
    let mut offset = 0;
    while offset < largest {
        let data = piece(offset);
        let data = &data[..data.len().min((largest - offset) as usize)];
        offset += fs.write(inum, offset, data).expect("write") as u64;
    }
    assert_eq!(fs.write(inum, largest, b"x"), Err(Error::FileTooLarge));
    let mut fs = Fs::mount(fs.unmount().expect("unmount"), 0).expect("mount");
    assert_clean(&mut fs, "the largest file");
    let mut bytes = vec![0; 64 * 1024];
    for offset in (0..largest).step_by(bytes.len()) {
        let count = fs.read(inum, offset, &mut bytes).expect("read");
        assert!(bytes[..count] == piece(offset)[..count], "at {offset}");
    }
    fs.truncate(inum).expect("truncate");
    assert_eq!(fs.free_blocks(), free);
    assert_clean(&mut fs, "cut");
}

/// A kernel that knows xv6's format only looks at the magic number.
#[test]
fn large_files_show_in_the_superblock() {
    for (options, magic) in [
        (FormatOptions::default(), 0x1020_3040),
        (FormatOptions::large(), 0x1020_3041),
    ] {
        let fs = Fs::format(Disk::new(2000), &options).expect("format");
        assert_eq!(fs.superblock().magic, magic);
    }
    let fs = Fs::format(Disk::new(2000), &FormatOptions::large()).expect("format");
    assert_eq!(fs.superblock().log_capacity(), 127);
    let header_bytes = 4 * (1 + fs.superblock().log_capacity());
    assert!(header_bytes <= 512, "the header is longer than a sector");
}

/// A write of `write_limit` bytes fits, however small the log and large the bitmap.
#[test]
fn the_write_limit_fits_any_log() {
    for log_blocks in [11, 12, 13, 17, 30, 64, 300] {
        for blocks in [800, 40_000] {
            let options = FormatOptions {
                blocks,
                log_blocks,
                inodes: 40,
                large_files: log_blocks > 13,
            };
            let mut fs = Fs::format(Disk::new(blocks), &options).expect("format");
            let inum = create(&mut fs, ROOT, b"f", File);
            let limit = fs.write_limit();
            assert!(limit >= 1024, "limit {limit} with a log of {log_blocks}");
            let data = pattern(3, limit);
            let mut offset = 0;
            for start in [0, 1023, 11 * 1024 + 1] {
                while offset < start {
                    let fill = &data[..limit.min((start - offset) as usize)];
                    offset += fs.write(inum, offset, fill).expect("fill") as u64;
                }
                assert_eq!(fs.write(inum, start, &data), Ok(limit), "log {log_blocks}");
                offset = offset.max(start + limit as u64);
            }
            assert_clean(&mut fs, "after the largest writes");
        }
    }
}

#[test]
fn directories_nest_and_count_links() {
    let mut fs = fresh(2000, 200);
    let a = create(&mut fs, ROOT, b"a", Directory);
    let b = create(&mut fs, a, b"b", Directory);
    let f = create(&mut fs, b, b"f", File);
    assert_eq!(fs.stat(ROOT).expect("stat").nlink, 2);
    assert_eq!(fs.stat(a).expect("stat").nlink, 2);
    for (start, path, expected) in [
        (ROOT, "/a/b/f", Ok(f)),
        (b, "f", Ok(f)),
        (b, "../../a//./b/", Ok(b)),
        (b, "../../../../a", Ok(a)),
        (b, "", Ok(b)),
        (b, "/", Ok(ROOT)),
        (ROOT, "a/x/f", Err(Error::NotFound)),
        (ROOT, "a/b/f/x", Err(Error::NotDirectory)),
    ] {
        assert_eq!(fs.resolve(start, path.as_bytes()), expected, "{path:?}");
    }
    for (start, path, expected) in [
        (ROOT, "/a/b/new", Ok((b, &b"new"[..]))),
        (b, "new//", Ok((b, b"new"))),
        (b, "//", Err(Error::Invalid)),
        (b, "", Err(Error::Invalid)),
        (ROOT, "a/b/f/x", Err(Error::NotDirectory)),
    ] {
        assert_eq!(
            fs.resolve_parent(start, path.as_bytes()),
            expected,
            "{path:?}"
        );
    }
    assert_eq!(fs.lookup(f, b"x"), Err(Error::NotDirectory));
    assert_clean(&mut fs, "nested");

    assert_eq!(fs.unlink(ROOT, b"a"), Err(Error::NotEmpty));
    assert_eq!(fs.unlink(b, b"f"), Ok(Unlinked { inum: f, nlink: 0 }));
    assert_eq!(fs.unlink(a, b"b"), Ok(Unlinked { inum: b, nlink: 0 }));
    assert_eq!(
        fs.stat(a).expect("stat").nlink,
        1,
        "without its subdirectory"
    );
    fs.free(f).expect("free");
    fs.free(b).expect("free");
    assert_eq!(fs.stat(b), Err(Error::NotFound));
    assert_clean(&mut fs, "after removing");
}

#[test]
fn nothing_is_created_in_a_removed_directory() {
    let mut fs = fresh(2000, 200);
    let dir = create(&mut fs, ROOT, b"d", Directory);
    let file = create(&mut fs, ROOT, b"f", File);
    fs.unlink(ROOT, b"d").expect("unlink");
    assert_eq!(fs.create(dir, b"x", File, 0, 0), Err(Error::NotFound));
    assert_eq!(fs.link(file, dir, b"x"), Err(Error::NotFound));
    assert_eq!(fs.lookup(dir, b"."), Ok(Some(dir)));
    assert_eq!(fs.lookup(dir, b".."), Ok(None));
    assert_eq!(fs.free(file), Err(Error::Invalid), "it has a link");
    fs.free(dir).expect("free");
    assert_clean(&mut fs, "after freeing");
}

#[test]
fn names_are_checked_and_truncated() {
    let mut fs = fresh(2000, 200);
    let long = b"fourteen_bytes_and_more";
    let inum = create(&mut fs, ROOT, long, File);
    assert_eq!(fs.lookup(ROOT, long), Ok(Some(inum)));
    assert_eq!(fs.lookup(ROOT, b"fourteen_bytes"), Ok(Some(inum)));
    assert_eq!(fs.lookup(ROOT, b"fourteen_byte"), Ok(None));
    assert_eq!(
        fs.create(ROOT, b"fourteen_bytes_or_so", File, 0, 0),
        Err(Error::Exists)
    );
    for name in [&b""[..], b"a/b", b"a\0"] {
        assert_eq!(
            fs.create(ROOT, name, File, 0, 0),
            Err(Error::Invalid),
            "{name:?}"
        );
        assert_eq!(fs.lookup(ROOT, name), Ok(None), "{name:?}");
    }
    for name in [&b"."[..], b".."] {
        assert_eq!(fs.create(ROOT, name, Directory, 0, 0), Err(Error::Exists));
        assert_eq!(fs.link(inum, ROOT, name), Err(Error::Exists));
        assert_eq!(fs.unlink(ROOT, name), Err(Error::Invalid));
    }
    assert_eq!(fs.create(inum, b"x", File, 0, 0), Err(Error::NotDirectory));
    assert_eq!(fs.unlink(inum, b"x"), Err(Error::NotDirectory));
    assert_eq!(fs.unlink(ROOT, b"x"), Err(Error::NotFound));
    assert_clean(&mut fs, "after refusals");
}

#[test]
fn links_share_one_inode() {
    let mut fs = fresh(2000, 200);
    let dir = create(&mut fs, ROOT, b"d", Directory);
    let f = create(&mut fs, ROOT, b"f", File);
    fs.link(f, dir, b"g").expect("link");
    assert_eq!(fs.stat(f).expect("stat").nlink, 2);
    assert_eq!(fs.link(f, dir, b"g"), Err(Error::Exists));
    assert_eq!(fs.link(dir, ROOT, b"e"), Err(Error::IsDirectory));
    assert_eq!(fs.link(199, ROOT, b"e"), Err(Error::NotFound));
    assert_eq!(fs.link(5_000, ROOT, b"e"), Err(Error::NotFound));
    assert_clean(&mut fs, "linked");
    assert_eq!(fs.unlink(ROOT, b"f"), Ok(Unlinked { inum: f, nlink: 1 }));
    assert_eq!(fs.unlink(dir, b"g"), Ok(Unlinked { inum: f, nlink: 0 }));
    assert_eq!(
        fs.link(f, ROOT, b"e"),
        Err(Error::NotFound),
        "it is unlinked"
    );
    assert_eq!(fs.write(f, 0, b"still open"), Ok(10));
    assert_eq!(content(&mut fs, f), b"still open");
    fs.free(f).expect("free");
    assert_clean(&mut fs, "freed");
}

#[test]
fn truncate_and_free_release_all_blocks() {
    let mut fs = fresh(2000, 200);
    let inum = create(&mut fs, ROOT, b"f", File);
    let (blocks, inodes) = (fs.free_blocks(), fs.free_inodes());
    for size in [1, 12 * 1024, 12 * 1024 + 1, MAX_FILE_SIZE as usize] {
        write_all(&mut fs, inum, 0, &pattern(9, size)).expect("write");
        fs.truncate(inum).expect("truncate");
        assert_eq!(fs.stat(inum).expect("stat").size, 0);
        assert_eq!(fs.free_blocks(), blocks, "after {size} bytes");
        assert_clean(&mut fs, "truncated");
    }
    write_all(&mut fs, inum, 0, &pattern(9, 100_000)).expect("write");
    fs.unlink(ROOT, b"f").expect("unlink");
    fs.free(inum).expect("free");
    assert_eq!(fs.free_blocks(), blocks);
    assert_eq!(fs.free_inodes().expect("count"), inodes.expect("count") + 1);
}

/// Its blocks span more bitmap blocks than a transaction can change.
#[test]
fn a_scattered_file_is_truncated_in_steps() {
    let bitmap_blocks = 40;
    let blocks = bitmap_blocks * 8192;
    let options = FormatOptions {
        blocks,
        log_blocks: 12,
        inodes: 40,
        ..FormatOptions::default()
    };
    let mut fs = Fs::format(Disk::new(blocks), &options).expect("format");
    // Leave three free blocks in each bitmap block but the first.
    let inum = create(&mut fs, ROOT, b"f", File);
    let start = fs.superblock().bmapstart;
    let mut device = fs.unmount().expect("unmount");
    let mut free = 0;
    for index in 0..bitmap_blocks {
        let mut bits = [0xff; 1024];
        if index > 0 {
            bits[0] = 0xf8;
            free += 3;
        }
        device.write(start + index, &bits).expect("write");
    }
    let mut fs = Fs::mount(device, 100).expect("mount");
    assert_eq!(fs.free_blocks(), Ok(free));
    write_all(&mut fs, inum, 0, &pattern(1, (free as usize - 1) * 1024)).expect("write");
    assert_eq!(fs.free_blocks(), Ok(0));
    fs.checkpoint().expect("checkpoint");
    let mut copy = Fs::mount(Disk::from_image(fs.device().image()), 0).expect("mount");
    copy.truncate(inum).expect("truncate");
    assert_eq!(copy.free_blocks(), Ok(free));
    fs.unlink(ROOT, b"f").expect("unlink");
    // Mount frees the orphan.
    let mut fs = Fs::mount(fs.unmount().expect("unmount"), 0).expect("mount");
    assert_eq!(fs.stat(inum), Err(Error::NotFound));
    assert_eq!(fs.free_blocks(), Ok(free));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let mut fs = fresh(200, 40);
    let f = create(&mut fs, ROOT, b"f", File);
    let g = create(&mut fs, ROOT, b"g", File);
    let free = fs.free_blocks().expect("count");
    // Leaves 5 blocks; one of those taken is the indirect block.
    let data = pattern(4, (free as usize - 6) * 1024);
    write_all(&mut fs, f, 0, &data).expect("write");
    assert_eq!(fs.free_blocks(), Ok(5));
    let tail = pattern(5, 10 * 1024);
    assert_eq!(fs.write(g, 0, &tail), Ok(5 * 1024), "what fits");
    assert_eq!(fs.write(g, 5 * 1024, &tail), Err(Error::NoSpace));
    assert_eq!(
        fs.write(g, 100, b"within"),
        Ok(6),
        "its own blocks can be written"
    );
    assert_eq!(fs.create(ROOT, b"d", Directory, 0, 0), Err(Error::NoSpace));
    assert_eq!(fs.free_inodes(), Ok(40 - 4), "no inode leaked");
    assert_eq!(fs.lookup(ROOT, b"d"), Ok(None));
    assert_clean(&mut fs, "full");
    assert_eq!(content(&mut fs, f), data);
    // A file needs no block while the directory has a free dirent.
    let h = create(&mut fs, ROOT, b"h", File);
    assert_eq!(fs.write(h, 0, b"x"), Err(Error::NoSpace));
    fs.truncate(f).expect("truncate");
    assert_eq!(fs.free_blocks(), Ok(free - 5));
    assert_clean(&mut fs, "emptied");
}

/// An aborted operation gives back what it allocated.
#[test]
fn an_aborted_operation_leaks_no_block_or_inode() {
    let mut fs = fresh(200, 80);
    let dir = create(&mut fs, ROOT, b"d", Directory);
    let f = create(&mut fs, ROOT, b"f", File);
    for i in 0..62 {
        fs.link(f, dir, format!("f{i}").as_bytes()).expect("link");
    }
    assert_eq!(
        fs.stat(dir).expect("stat").size,
        1024,
        "the directory's block is full"
    );
    let free = fs.free_blocks().expect("count") as usize;
    write_all(&mut fs, f, 0, &pattern(1, (free - 2) * 1024)).expect("write");
    assert_eq!(fs.free_blocks(), Ok(1));
    // The new directory takes the last block; there is none for its dirent.
    assert_eq!(fs.create(dir, b"sub", Directory, 0, 0), Err(Error::NoSpace));
    assert_eq!(fs.free_blocks(), Ok(1));
    let inum = create(&mut fs, ROOT, b"g", File);
    assert_eq!(inum, f + 1, "the inode of the aborted directory");
    assert_eq!(fs.write(inum, 0, b"x"), Ok(1), "its block");
    assert_clean(&mut fs, "after the abort");
}

#[test]
fn blocks_can_be_reused() {
    let mut fs = fresh(200, 40);
    let f = create(&mut fs, ROOT, b"f", File);
    let free = fs.free_blocks().expect("count");
    for round in 0..5 {
        let data = pattern(round, (free as usize - 1) * 1024);
        write_all(&mut fs, f, 0, &data).expect("write");
        assert_eq!(fs.free_blocks(), Ok(0), "round {round}");
        fs.truncate(f).expect("truncate");
    }
    assert_clean(&mut fs, "after filling it");
}

/// There is a data block but no block for the indirect block.
#[test]
fn a_failed_indirect_block_leaks_no_data_block() {
    let mut fs = fresh(200, 40);
    let f = create(&mut fs, ROOT, b"f", File);
    let g = create(&mut fs, ROOT, b"g", File);
    write_all(&mut fs, f, 0, &pattern(1, 11 * 1024)).expect("write");
    let free = fs.free_blocks().expect("count") as usize;
    write_all(&mut fs, g, 0, &pattern(2, (free - 3) * 1024)).expect("write");
    assert_eq!(fs.free_blocks(), Ok(2));
    assert_eq!(fs.write(f, 11 * 1024, &pattern(3, 3000)), Ok(1024));
    assert_eq!(fs.free_blocks(), Ok(1), "the data block was freed");
    assert_clean(&mut fs, "without the indirect block");
}

#[test]
fn inodes_run_out_and_come_back() {
    let mut fs = fresh(2000, 20);
    let free = fs.free_inodes().expect("count");
    for i in 0..free {
        create(&mut fs, ROOT, format!("f{i}").as_bytes(), File);
    }
    let blocks = fs.free_blocks();
    assert_eq!(fs.create(ROOT, b"more", File, 0, 0), Err(Error::NoInodes));
    assert_eq!(
        fs.create(ROOT, b"more", Directory, 0, 0),
        Err(Error::NoInodes)
    );
    assert_eq!((fs.free_inodes(), fs.free_blocks()), (Ok(0), blocks));
    let gone = fs.unlink(ROOT, b"f7").expect("unlink");
    fs.free(gone.inum).expect("free");
    assert_eq!(fs.create(ROOT, b"more", File, 0, 0), Ok(gone.inum));
    assert_clean(&mut fs, "all inodes in use");
}

#[test]
fn a_directory_grows_and_reuses_entries() {
    let mut fs = fresh(2000, 500);
    let dir = create(&mut fs, ROOT, b"d", Directory);
    for i in 0..200 {
        create(&mut fs, dir, format!("f{i}").as_bytes(), File);
    }
    let size = fs.stat(dir).expect("stat").size;
    assert_eq!(size, 202 * 16);
    for i in (0..200).step_by(3) {
        let gone = fs.unlink(dir, format!("f{i}").as_bytes()).expect("unlink");
        fs.free(gone.inum).expect("free");
    }
    for i in (0..200).step_by(3) {
        create(&mut fs, dir, format!("g{i}").as_bytes(), File);
    }
    assert_eq!(
        fs.stat(dir).expect("stat").size,
        size,
        "free dirents are reused"
    );
    assert_eq!(names(&mut fs, dir).len(), 200);
    assert_clean(&mut fs, "large directory");
}

#[test]
fn link_counts_do_not_overflow() {
    let mut fs = fresh(2000, 200);
    let f = create(&mut fs, ROOT, b"f", File);
    let d = create(&mut fs, ROOT, b"d", Directory);
    // Set the counts by hand: creating as many names takes minutes.
    let (block, at) = (fs.superblock().inodestart, |inum: u32| {
        inum as usize * 64 + 6
    });
    let mut device = fs.unmount().expect("unmount");
    let mut bytes = [0; 1024];
    device.read(block, &mut bytes).expect("read");
    for inum in [f, d] {
        bytes[at(inum)..at(inum) + 2].copy_from_slice(&i16::MAX.to_le_bytes());
    }
    device.write(block, &bytes).expect("write");
    let mut fs = Fs::mount(device, 50).expect("mount");
    let before = tree(&mut fs);
    assert_eq!(fs.link(f, ROOT, b"g"), Err(Error::TooManyLinks));
    assert_eq!(
        fs.create(d, b"sub", Directory, 0, 0),
        Err(Error::TooManyLinks)
    );
    assert_eq!(tree(&mut fs), before);
    create(&mut fs, d, b"file", File);
}

#[test]
fn impossible_formats_are_refused() {
    for (blocks, inodes, log_blocks) in [
        (40, 200, 30),
        (2001, 200, 30),
        (0, 200, 30),
        (2000, 0, 30),
        (2000, 1, 30),
        (2000, 70_000, 30),
        (2000, u32::MAX, 30),
        (2000, 200, 0),
        (2000, 200, 10),
        (2000, 200, 1990),
        (2000, 200, u32::MAX),
    ] {
        let options = FormatOptions {
            blocks,
            inodes,
            log_blocks,
            ..FormatOptions::default()
        };
        let error = Fs::format(Disk::new(2000), &options).err();
        assert_eq!(error, Some(Error::Invalid), "{options:?}");
    }
    for blocks in [0, 2000] {
        let error = Fs::mount(Disk::new(blocks), 10).err();
        assert!(matches!(error, Some(Error::Corrupt(_))), "{blocks} blocks");
    }
}

#[test]
fn streaming_data_does_not_evict_metadata() {
    let mut fs = fresh(2000, 200);
    let f = create(&mut fs, ROOT, b"f", File);
    write_all(&mut fs, f, 0, &pattern(1, 200_000)).expect("write");
    let mut fs = Fs::mount(fs.unmount().expect("unmount"), 0).expect("mount");
    let mut bytes = vec![0; 200_000];
    for _ in 0..3 {
        fs.read(f, 0, &mut bytes).expect("read");
        fs.lookup(ROOT, b"f").expect("lookup");
    }
    let before = fs.device().reads;
    fs.lookup(ROOT, b"f").expect("lookup");
    fs.stat(f).expect("stat");
    assert_eq!(fs.device().reads, before, "streaming data evicted metadata");
}
