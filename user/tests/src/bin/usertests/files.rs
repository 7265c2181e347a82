//! Files: open, read, write, descriptors.

use abi::{OpenFlags, Stat};
use harness::random::Random;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File, OpenOptions};
use ulib::io::{Read, Write};
use ulib::vec::Vec;
use ulib::{format, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "open-missing" = open_missing,
    "open-for" = open_for,
    "write-and-read" = write_and_read,
    "overwrite" = overwrite,
    "truncate" = truncate,
    "read-at-end" = read_at_end,
    "no-bytes" = no_bytes,
    "odd-pieces" = odd_pieces,
    "two-offsets" = two_offsets,
    "duplicate" = duplicate,
    "lowest-number" = lowest_descriptor,
    "large-file" = large_file,
    "file-too-large" = too_large,
    "stat" = stat,
    "open-many" = open_many,
    "unlink-while-open" = unlink_while_open,
    "write-after-unlink" = write_after_unlink,
    "program-in-use" = program_in_use;
    slow:;
};

/// Bytes of the largest file: 12 direct blocks and 256 of the indirect block.
const LARGEST: usize = 268 * 1024;

fn open_missing() -> Outcome {
    expect!(
        File::open("missing").is_err(),
        "opening a missing file to fail"
    );
    expect!(
        File::open("missing/file").is_err(),
        "opening in a missing directory to fail"
    );
    let write = File::options().write(true).open("missing");
    expect!(write.is_err(), "opening a missing file for writing to fail");
    let truncate = File::options().write(true).truncate(true).open("missing");
    expect!(truncate.is_err(), "truncating a missing file to fail");
    expect!(
        File::create("missing/file").is_err(),
        "creating a file in a missing directory to fail"
    );
    Ok(())
}

fn open_for() -> Outcome {
    fs::write("file", b"12345").or_fail("write a file")?;
    let mut reader = File::open("file").or_fail("open for reading")?;
    expect!(
        reader.write(b"x").is_err(),
        "writing to a file opened for reading to fail"
    );
    let mut writer = File::options()
        .write(true)
        .open("file")
        .or_fail("open for writing")?;
    expect!(
        writer.read(&mut [0]).is_err(),
        "reading a file opened for writing to fail"
    );
    let mut both = File::options()
        .read(true)
        .write(true)
        .open("file")
        .or_fail("open for both")?;
    let mut two = [0; 2];
    both.read_exact(&mut two).or_fail("read")?;
    both.write_all(b"xy").or_fail("write")?;
    expect_eq!(
        fs::read("file").or_fail("read all")?.as_slice(),
        b"12xy5",
        "the file"
    );
    Ok(())
}

fn write_and_read() -> Outcome {
    for length in [
        0,
        1,
        511,
        1023,
        1024,
        1025,
        4095,
        4096,
        4097,
        12 * 1024,
        12 * 1024 + 1,
    ] {
        let bytes: Vec<u8> = (0..length).map(|i| (i * 7) as u8).collect();
        fs::write("file", &bytes).or_fail("write a file")?;
        let seen = fs::read("file").or_fail("read it")?;
        expect!(
            seen == bytes,
            "the {length} bytes written, saw {} bytes",
            seen.len()
        );
    }
    Ok(())
}

fn overwrite() -> Outcome {
    fs::write("file", vec![b'a'; 3000]).or_fail("write a file")?;
    let mut file = OpenOptions::new()
        .write(true)
        .open("file")
        .or_fail("open it")?;
    file.write_all(&vec![b'b'; 1500])
        .or_fail("write over its beginning")?;
    let seen = fs::read("file").or_fail("read it")?;
    expect_eq!(seen.len(), 3000, "bytes in the file");
    let first = seen.iter().position(|&byte| byte == b'a');
    expect_eq!(first, Some(1500), "the first byte not written over");
    Ok(())
}

fn truncate() -> Outcome {
    fs::write("file", vec![b'a'; 20_000]).or_fail("write a file")?;
    let mut old = File::options()
        .read(true)
        .write(true)
        .open("file")
        .or_fail("open it")?;
    old.read_exact(&mut [0; 10]).or_fail("read")?;
    drop(File::create("file").or_fail("empty it")?);
    expect_eq!(
        fs::metadata("file").or_fail("stat it")?.len(),
        0,
        "bytes after that"
    );
    expect_eq!(
        old.read(&mut [0; 10]).or_fail("read")?,
        0,
        "bytes after the old offset"
    );
    fs::write("file", b"new").or_fail("write it anew")?;
    expect_eq!(
        fs::read("file").or_fail("read it")?.as_slice(),
        b"new",
        "the file"
    );
    Ok(())
}

fn read_at_end() -> Outcome {
    fs::write("file", b"abc").or_fail("write a file")?;
    let mut file = File::open("file").or_fail("open it")?;
    let mut buffer = [0; 10];
    expect_eq!(file.read(&mut buffer).or_fail("read")?, 3, "bytes there");
    for _ in 0..3 {
        expect_eq!(
            file.read(&mut buffer).or_fail("read")?,
            0,
            "bytes at the end"
        );
    }
    fs::write("file", b"abcdef").or_fail("make it longer")?;
    expect_eq!(
        file.read(&mut buffer).or_fail("read")?,
        3,
        "bytes added meanwhile"
    );
    Ok(())
}

fn no_bytes() -> Outcome {
    let file = File::create("file").or_fail("create a file")?;
    expect_eq!(
        sys::write(file.as_raw_fd(), b"".as_ptr(), 0),
        0,
        "write of no bytes"
    );
    let file = File::open("file").or_fail("open it")?;
    // SAFETY: no bytes are written there.
    let n = unsafe { sys::read(file.as_raw_fd(), [0_u8; 1].as_mut_ptr(), 0) };
    expect_eq!(n, 0, "read of no bytes");
    Ok(())
}

fn odd_pieces() -> Outcome {
    const LENGTH: usize = 100_000;
    let mut random = Random::new(31);
    let bytes: Vec<u8> = (0..LENGTH).map(|_| random.number() as u8).collect();
    let mut file = File::create("file").or_fail("create a file")?;
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.len().min(1 + random.below(3000)));
        file.write_all(now).or_fail("write a piece")?;
        rest = later;
    }
    let mut file = File::open("file").or_fail("open it")?;
    let mut seen = vec![0; LENGTH];
    let mut at = 0;
    while at < LENGTH {
        let end = LENGTH.min(at + 1 + random.below(5000));
        file.read_exact(&mut seen[at..end])
            .or_fail("read a piece")?;
        at = end;
    }
    let wrong = bytes.iter().zip(&seen).position(|(a, b)| a != b);
    expect_eq!(wrong, None, "the first wrong byte");
    Ok(())
}

fn two_offsets() -> Outcome {
    fs::write("file", b"abcd").or_fail("write a file")?;
    let mut first = File::open("file").or_fail("open it")?;
    let mut second = File::open("file").or_fail("open it again")?;
    let mut byte = [0];
    for expected in [b'a', b'b'] {
        for file in [&mut first, &mut second] {
            file.read_exact(&mut byte).or_fail("read")?;
            expect_eq!(byte[0], expected, "the next byte of each");
        }
    }
    Ok(())
}

fn duplicate() -> Outcome {
    fs::write("file", b"abcd").or_fail("write a file")?;
    let mut first = File::open("file").or_fail("open it")?;
    let mut second = first.try_clone().or_fail("dup")?;
    let mut byte = [0];
    for (file, expected) in [(&mut first, b'a'), (&mut second, b'b')] {
        file.read_exact(&mut byte).or_fail("read")?;
        expect_eq!(byte[0], expected, "the next byte of both");
    }
    drop(first);
    second
        .read_exact(&mut byte)
        .or_fail("read after the first is closed")?;
    expect_eq!(byte[0], b'c', "the next byte");
    Ok(())
}

fn lowest_descriptor() -> Outcome {
    fs::write("file", b"").or_fail("write a file")?;
    let files: Vec<File> = (0..6)
        .map(|_| File::open("file"))
        .collect::<Result<_, _>>()
        .or_fail("open files")?;
    let numbers: Vec<i32> = files.iter().map(File::as_raw_fd).collect();
    expect!(
        numbers.windows(2).all(|pair| pair[1] > pair[0]),
        "ever higher numbers, saw {numbers:?}"
    );
    sys::close(numbers[2]);
    sys::close(numbers[4]);
    for expected in [numbers[2], numbers[4], numbers[5] + 1] {
        let fd = sys::open(c"file".to_bytes_with_nul().as_ptr(), 0);
        expect_eq!(fd, expected as isize, "the lowest free number");
    }
    sys::close(numbers[5] + 1);
    Ok(())
}

fn large_file() -> Outcome {
    let mut file = File::create("file").or_fail("create a file")?;
    for block in 0..LARGEST / 1024 {
        let mut bytes = [0; 1024];
        bytes[..8].copy_from_slice(&(block as u64).to_le_bytes());
        file.write_all(&bytes)
            .or_fail(format!("write block {block}"))?;
    }
    expect_eq!(
        fs::metadata("file").or_fail("stat it")?.len(),
        LARGEST as u64,
        "bytes"
    );
    let mut file = File::open("file").or_fail("open it")?;
    for block in 0..LARGEST / 1024 {
        let mut bytes = [0; 1024];
        file.read_exact(&mut bytes)
            .or_fail(format!("read block {block}"))?;
        expect_eq!(
            &bytes[..8],
            (block as u64).to_le_bytes().as_slice(),
            "number in block {block}"
        );
    }
    expect_eq!(file.read(&mut [0]).or_fail("read")?, 0, "bytes at the end");
    Ok(())
}

fn too_large() -> Outcome {
    let mut file = File::create("file").or_fail("create a file")?;
    file.write_all(&vec![b'l'; LARGEST - 10])
        .or_fail("write nearly the most")?;
    let n = file.write(&[b'l'; 20]);
    expect!(
        n.is_err() || n == Ok(10),
        "no more than 10 bytes to be written, saw {n:?}"
    );
    let length = fs::metadata("file").or_fail("stat it")?.len();
    expect!(
        length <= LARGEST as u64,
        "at most {LARGEST} bytes, saw {length}"
    );
    let rest = LARGEST - length as usize;
    file.write_all(&vec![b'l'; rest])
        .or_fail("write what still fits")?;
    expect!(
        file.write(b"x").is_err(),
        "writing past {LARGEST} bytes to fail"
    );
    expect_eq!(
        fs::metadata("file").or_fail("stat it")?.len(),
        LARGEST as u64,
        "bytes"
    );
    expect!(
        fs::write("other", vec![0; LARGEST + 1]).is_err(),
        "a larger file to fail"
    );
    Ok(())
}

fn stat() -> Outcome {
    fs::write("file", b"12345").or_fail("write a file")?;
    fs::create_dir("directory").or_fail("create a directory")?;
    let file = *fs::metadata("file").or_fail("stat the file")?.stat();
    expect_eq!(
        (file.kind, file.nlink, file.size),
        (2, 1, 5),
        "type, links and size of the file"
    );
    let about = fs::metadata("directory").or_fail("stat the directory")?;
    expect!(about.is_dir(), "a directory, saw {about:?}");
    expect_eq!(about.len(), 32, "bytes of an empty directory");
    expect!(
        about.stat().ino != file.ino,
        "another inode than the file's"
    );
    expect_eq!(about.stat().dev, file.dev, "the disk of both");
    fs::hard_link("file", "link").or_fail("link")?;
    let link = *fs::metadata("link").or_fail("stat the link")?.stat();
    expect_eq!(
        (link.ino, link.nlink),
        (file.ino, 2),
        "inode and links of the file's second name"
    );
    let (read, _write) = ulib::process::pipe().or_fail("create a pipe")?;
    let mut stat = Stat::default();
    // SAFETY: `stat` is ours.
    let seen = unsafe { sys::fstat(read.as_raw_fd(), &mut stat) };
    expect_eq!(seen, -1, "fstat of a pipe");
    Ok(())
}

fn open_many() -> Outcome {
    fs::write("file", b"m").or_fail("write a file")?;
    let files: Vec<File> = (0..2000)
        .map(|_| File::open("file"))
        .collect::<Result<_, _>>()
        .or_fail("open 2000")?;
    for (i, file) in files.iter().enumerate() {
        let mut byte = [0];
        (&*file)
            .read_exact(&mut byte)
            .or_fail(format!("read open file {i}"))?;
        expect_eq!(byte, *b"m", "the byte of open file {i}");
    }
    harness::ends_with(0, "inheriting 2000 open files", || 0)
}

fn unlink_while_open() -> Outcome {
    fs::write("file", vec![b'u'; 5000]).or_fail("write a file")?;
    let mut file = File::open("file").or_fail("open it")?;
    fs::remove_file("file").or_fail("remove it")?;
    expect!(File::open("file").is_err(), "the name to be gone");
    fs::write("file", b"another").or_fail("write another one of that name")?;
    let mut seen = Vec::new();
    file.read_to_end(&mut seen).or_fail("read the old one")?;
    expect!(
        seen.len() == 5000 && seen.iter().all(|&b| b == b'u'),
        "the old bytes"
    );
    expect_eq!(
        file.metadata().or_fail("stat it")?.stat().nlink,
        0,
        "links of the old one"
    );
    Ok(())
}

fn write_after_unlink() -> Outcome {
    let flags = (OpenFlags::READ_WRITE | OpenFlags::CREATE).bits();
    for _ in 0..10 {
        let fd = sys::open(c"file".to_bytes_with_nul().as_ptr(), flags);
        expect!(fd >= 0, "open to create, saw {fd}");
        let mut file = File::from_raw_fd(fd as i32);
        fs::remove_file("file").or_fail("remove it")?;
        file.write_all(&vec![b'w'; 50_000])
            .or_fail("write to it all the same")?;
        expect_eq!(
            file.metadata().or_fail("stat it")?.len(),
            50_000,
            "bytes in it"
        );
    }
    Ok(())
}

/// A running program may be read and unlinked, but not written.
fn program_in_use() -> Outcome {
    let bytes = fs::read("/cat").or_fail("read a program")?;
    fs::write("program", &bytes).or_fail("copy it")?;
    let mut child = ulib::process::Command::new("program")
        .stdin(ulib::process::Stdio::Piped)
        .stdout(ulib::process::Stdio::Piped)
        .spawn()
        .or_fail("start it")?;
    // Once it echoes a byte, it runs.
    let (Some(stdin), Some(stdout)) = (child.stdin.as_mut(), child.stdout.as_mut()) else {
        return Err("expected pipes to the program".into());
    };
    stdin.write_all(b"x").or_fail("write to it")?;
    stdout.read_exact(&mut [0]).or_fail("read from it")?;
    let open = File::options().write(true).open("program");
    expect!(
        open.is_err(),
        "opening a running program for writing to fail"
    );
    expect!(
        File::create("program").is_err(),
        "emptying a running program to fail"
    );
    expect!(
        fs::read("program").is_ok_and(|seen| seen == bytes),
        "it to be as before"
    );
    fs::remove_file("program").or_fail("remove it")?;
    stdin.write_all(b"y").or_fail("write to it")?;
    stdout
        .read_exact(&mut [0])
        .or_fail("read from it after it was removed")?;
    let status = child.wait().or_fail("wait")?;
    expect!(status.success(), "status 0, saw {status}");
    fs::write("program", &bytes).or_fail("write it when it runs no more")?;
    Ok(())
}
