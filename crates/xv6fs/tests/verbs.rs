//! Each operation on its own: what it does, and what it refuses.

mod common;

use abi::FileType::{Device, Directory, File};
use common::*;
use xv6fs::{BlockDevice, Error, FormatOptions, Fs, MAX_FILE_SIZE, ROOT, Unlinked};

#[test]
fn a_fresh_file_system_is_empty_and_clean() {
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
fn content_comes_back_at_every_offset() {
    let mut fs = fresh(2000, 200);
    let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    let data = pattern(7, MAX_FILE_SIZE as usize);
    write_all(&mut fs, inum, 0, &data).expect("write");
    let mut fs = Fs::mount(fs.into_device(), 0).expect("mount");
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
    let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
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
    let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    assert_eq!(fs.write(inum, 1, b"x"), Err(Error::Invalid), "a gap");
    assert_eq!(fs.write(inum, u64::MAX, b"x"), Err(Error::Invalid));
    assert_eq!(fs.write(inum, 0, b""), Ok(0));
    let limit = fs.write_limit();
    assert_eq!(limit, 25 * 1024, "what a log of 30 blocks surely holds");
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

/// However small the log and large the bitmap, a write of `write_limit` bytes fits, at any offset.
#[test]
fn the_write_limit_fits_every_log() {
    for log_blocks in [11, 12, 13, 17, 30, 64, 300] {
        for blocks in [800, 40_000] {
            let options = FormatOptions {
                blocks,
                log_blocks,
                inodes: 40,
            };
            let mut fs = Fs::format(Disk::new(blocks), &options).expect("format");
            let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
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
fn directories_nest_and_count() {
    let mut fs = fresh(2000, 200);
    let a = fs.create(ROOT, b"a", Directory, 0, 0).expect("a");
    let b = fs.create(a, b"b", Directory, 0, 0).expect("b");
    let f = fs.create(b, b"f", File, 0, 0).expect("f");
    assert_eq!(fs.stat(ROOT).expect("stat").nlink, 2);
    assert_eq!(fs.stat(a).expect("stat").nlink, 2);
    assert_eq!(fs.resolve(ROOT, b"/a/b/f"), Ok(f));
    assert_eq!(fs.resolve(b, b"f"), Ok(f));
    assert_eq!(fs.resolve(b, b"../../a//./b/"), Ok(b));
    assert_eq!(fs.resolve(b, b"../../../../a"), Ok(a));
    assert_eq!(fs.resolve(b, b""), Ok(b));
    assert_eq!(fs.resolve(b, b"/"), Ok(ROOT));
    assert_eq!(fs.resolve(ROOT, b"a/x/f"), Err(Error::NotFound));
    assert_eq!(fs.resolve(ROOT, b"a/b/f/x"), Err(Error::NotDirectory));
    assert_eq!(fs.resolve_parent(ROOT, b"/a/b/new"), Ok((b, &b"new"[..])));
    assert_eq!(fs.resolve_parent(b, b"new//"), Ok((b, &b"new"[..])));
    assert_eq!(fs.resolve_parent(b, b"//"), Err(Error::Invalid));
    assert_eq!(fs.resolve_parent(b, b""), Err(Error::Invalid));
    assert_eq!(
        fs.resolve_parent(ROOT, b"a/b/f/x"),
        Err(Error::NotDirectory)
    );
    assert_eq!(fs.lookup(f, b"x"), Err(Error::NotDirectory));
    assert_clean(&mut fs, "nested");

    assert_eq!(fs.unlink(ROOT, b"a"), Err(Error::NotEmpty));
    assert_eq!(fs.unlink(b, b"f"), Ok(Unlinked { inum: f, nlink: 0 }));
    assert_eq!(fs.unlink(a, b"b"), Ok(Unlinked { inum: b, nlink: 0 }));
    assert_eq!(fs.stat(a).expect("stat").nlink, 1, "a lost its directory");
    fs.free(f).expect("free");
    fs.free(b).expect("free");
    assert_eq!(fs.stat(b), Err(Error::NotFound));
    assert_clean(&mut fs, "after removing");
}

#[test]
fn a_removed_directory_takes_nothing_in() {
    let mut fs = fresh(2000, 200);
    let dir = fs.create(ROOT, b"d", Directory, 0, 0).expect("create");
    let file = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    fs.unlink(ROOT, b"d").expect("unlink");
    assert_eq!(fs.create(dir, b"x", File, 0, 0), Err(Error::NotFound));
    assert_eq!(fs.link(file, dir, b"x"), Err(Error::NotFound));
    assert_eq!(fs.lookup(dir, b"."), Ok(Some(dir)));
    assert_eq!(fs.lookup(dir, b".."), Ok(None));
    assert_eq!(fs.free(file), Err(Error::Invalid), "it has a name");
    fs.free(dir).expect("free");
    assert_clean(&mut fs, "after freeing");
}

#[test]
fn names_are_checked_and_cut() {
    let mut fs = fresh(2000, 200);
    let long = b"fourteen_bytes_and_more";
    let inum = fs.create(ROOT, long, File, 0, 0).expect("create");
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
    let dir = fs.create(ROOT, b"d", Directory, 0, 0).expect("create");
    let f = fs.create(ROOT, b"f", File, 0, 0).expect("create");
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
        "no name to copy"
    );
    assert_eq!(fs.write(f, 0, b"still open"), Ok(10));
    assert_eq!(content(&mut fs, f), b"still open");
    fs.free(f).expect("free");
    assert_clean(&mut fs, "freed");
}

#[test]
fn truncating_and_freeing_give_all_blocks_back() {
    let mut fs = fresh(2000, 200);
    let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
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

/// Blocks in more parts of the bitmap than a transaction can change.
#[test]
fn a_scattered_file_is_cut_in_steps() {
    let groups = 40;
    let blocks = groups * 8192;
    let options = FormatOptions {
        blocks,
        log_blocks: 12,
        inodes: 40,
    };
    let mut fs = Fs::format(Disk::new(blocks), &options).expect("format");
    // Leave a few free blocks at the start of each part of the bitmap, by hand.
    let inum = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    let start = fs.superblock().bmapstart;
    let mut device = fs.into_device();
    let mut free = 0;
    for group in 0..groups {
        let mut bits = [0xff; 1024];
        if group > 0 {
            bits[0] = 0xf8;
            free += 3;
        }
        device.write(start + group, &bits).expect("write");
    }
    let mut fs = Fs::mount(device, 100).expect("mount");
    assert_eq!(fs.free_blocks(), Ok(free));
    write_all(&mut fs, inum, 0, &pattern(1, (free as usize - 1) * 1024)).expect("write");
    assert_eq!(fs.free_blocks(), Ok(0));
    let mut copy = Fs::mount(Disk::from_image(fs.device().image()), 0).expect("mount");
    copy.truncate(inum).expect("truncate");
    assert_eq!(copy.free_blocks(), Ok(free));
    fs.unlink(ROOT, b"f").expect("unlink");
    // A mount finds it without a name and frees it.
    let mut fs = Fs::mount(fs.into_device(), 0).expect("mount");
    assert_eq!(fs.stat(inum), Err(Error::NotFound));
    assert_eq!(fs.free_blocks(), Ok(free));
}

#[test]
fn a_full_disk_takes_what_fits_and_loses_nothing() {
    let mut fs = fresh(200, 40);
    let f = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    let g = fs.create(ROOT, b"g", File, 0, 0).expect("create");
    let free = fs.free_blocks().expect("count");
    // All but 5 blocks, one of them as indirect block; then 5.
    let data = pattern(4, (free as usize - 6) * 1024);
    write_all(&mut fs, f, 0, &data).expect("write");
    assert_eq!(fs.free_blocks(), Ok(5));
    let tail = pattern(5, 10 * 1024);
    assert_eq!(fs.write(g, 0, &tail), Ok(5 * 1024), "what fits");
    assert_eq!(fs.write(g, 5 * 1024, &tail), Err(Error::NoSpace));
    assert_eq!(
        fs.write(g, 100, b"within"),
        Ok(6),
        "blocks it has can be written"
    );
    assert_eq!(fs.create(ROOT, b"d", Directory, 0, 0), Err(Error::NoSpace));
    assert_eq!(fs.free_inodes(), Ok(40 - 4), "no inode is left behind");
    assert_eq!(fs.lookup(ROOT, b"d"), Ok(None));
    assert_clean(&mut fs, "full");
    assert_eq!(content(&mut fs, f), data);
    // A file needs no block, as long as the directory has room for its name.
    let h = fs.create(ROOT, b"h", File, 0, 0).expect("create");
    assert_eq!(fs.write(h, 0, b"x"), Err(Error::NoSpace));
    fs.truncate(f).expect("truncate");
    assert_eq!(fs.free_blocks(), Ok(free - 5));
    assert_clean(&mut fs, "emptied");
}

/// The block for content is there, the one for the indirect block is not.
#[test]
fn the_last_block_is_not_lost_to_half_a_mapping() {
    let mut fs = fresh(200, 40);
    let f = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    let g = fs.create(ROOT, b"g", File, 0, 0).expect("create");
    write_all(&mut fs, f, 0, &pattern(1, 11 * 1024)).expect("write");
    let free = fs.free_blocks().expect("count") as usize;
    write_all(&mut fs, g, 0, &pattern(2, (free - 3) * 1024)).expect("write");
    assert_eq!(fs.free_blocks(), Ok(2));
    assert_eq!(fs.write(f, 11 * 1024, &pattern(3, 3000)), Ok(1024));
    assert_eq!(
        fs.free_blocks(),
        Ok(1),
        "content needs an indirect block too"
    );
    assert_clean(&mut fs, "half a mapping");
}

#[test]
fn inodes_run_out_and_come_back() {
    let mut fs = fresh(2000, 20);
    let free = fs.free_inodes().expect("count");
    for i in 0..free {
        fs.create(ROOT, format!("f{i}").as_bytes(), File, 0, 0)
            .expect("create");
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
    let dir = fs.create(ROOT, b"d", Directory, 0, 0).expect("create");
    for i in 0..200 {
        fs.create(dir, format!("f{i}").as_bytes(), File, 0, 0)
            .expect("create");
    }
    let size = fs.stat(dir).expect("stat").size;
    assert_eq!(size, 202 * 16);
    for i in (0..200).step_by(3) {
        let gone = fs.unlink(dir, format!("f{i}").as_bytes()).expect("unlink");
        fs.free(gone.inum).expect("free");
    }
    for i in (0..200).step_by(3) {
        fs.create(dir, format!("g{i}").as_bytes(), File, 0, 0)
            .expect("create");
    }
    assert_eq!(
        fs.stat(dir).expect("stat").size,
        size,
        "free entries are used again"
    );
    assert_eq!(names(&mut fs, dir).len(), 200);
    assert_clean(&mut fs, "large directory");
}

#[test]
fn link_counts_end() {
    let mut fs = fresh(2000, 200);
    let f = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    let d = fs.create(ROOT, b"d", Directory, 0, 0).expect("create");
    // As many names as fit would take minutes: set the counts by hand.
    let (block, at) = (fs.superblock().inodestart, |inum: u32| {
        inum as usize * 64 + 6
    });
    let mut device = fs.into_device();
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
    fs.create(d, b"file", File, 0, 0)
        .expect("a file adds no link to its directory");
}

#[test]
fn formats_that_cannot_be_are_refused() {
    let good = FormatOptions::default();
    for bad in [
        FormatOptions { blocks: 40, ..good },
        FormatOptions {
            blocks: 2001,
            ..good
        },
        FormatOptions { blocks: 0, ..good },
        FormatOptions { inodes: 0, ..good },
        FormatOptions { inodes: 1, ..good },
        FormatOptions {
            inodes: 70_000,
            ..good
        },
        FormatOptions {
            inodes: u32::MAX,
            ..good
        },
        FormatOptions {
            log_blocks: 0,
            ..good
        },
        FormatOptions {
            log_blocks: 10,
            ..good
        },
        FormatOptions {
            log_blocks: 1990,
            ..good
        },
        FormatOptions {
            log_blocks: u32::MAX,
            ..good
        },
    ] {
        let error = Fs::format(Disk::new(2000), &bad).err();
        assert_eq!(error, Some(Error::Invalid), "{bad:?}");
    }
    assert!(matches!(
        Fs::mount(Disk::new(0), 10).err(),
        Some(Error::Corrupt(_))
    ));
    assert!(matches!(
        Fs::mount(Disk::new(2000), 10).err(),
        Some(Error::Corrupt(_))
    ));
}

#[test]
fn metadata_stays_in_memory_while_content_streams() {
    let mut fs = fresh(2000, 200);
    let f = fs.create(ROOT, b"f", File, 0, 0).expect("create");
    write_all(&mut fs, f, 0, &pattern(1, 200_000)).expect("write");
    let mut fs = Fs::mount(fs.into_device(), 0).expect("mount");
    let mut bytes = vec![0; 200_000];
    for _ in 0..3 {
        fs.read(f, 0, &mut bytes).expect("read");
        fs.lookup(ROOT, b"f").expect("lookup");
    }
    let before = fs.device().reads;
    fs.lookup(ROOT, b"f").expect("lookup");
    fs.stat(f).expect("stat");
    assert_eq!(
        fs.device().reads,
        before,
        "a stream of content pushed metadata out"
    );
}
