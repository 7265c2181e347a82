//! Pipes.

use harness::random::Random;
use harness::{Expect, Gate, Kid, Outcome, Tally, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::File;
use ulib::io::{Read, Write};
use ulib::process;
use ulib::vec::Vec;
use ulib::{sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "pipe-bytes" = bytes,
    "pipe-end" = end,
    "pipe-without-reader" = without_reader,
    "pipe-full" = full,
    "pipe-large" = large,
    "pipe-odd-pieces" = odd_pieces,
    "pipe-many-writers" = many_writers,
    "pipe-chain" = chain,
    "pipe-wrong-end" = wrong_end,
    "pipe-duplicated-ends" = duplicated_ends,
    "pipe-to-itself" = to_itself,
    "pipes-many" = many;
    slow:;
};

fn bytes() -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    for i in 0..100_u8 {
        write.write_all(&[i, i + 1, i + 2]).or_fail("write")?;
        let mut seen = [0; 3];
        read.read_exact(&mut seen).or_fail("read")?;
        expect_eq!(seen, [i, i + 1, i + 2], "bytes of round {i}");
    }
    write.write_all(b"abc").or_fail("write")?;
    let n = read.read(&mut [0; 100]).or_fail("read")?;
    expect_eq!(n, 3, "bytes that a larger read gets");
    Ok(())
}

fn end() -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    write.write_all(b"last").or_fail("write")?;
    drop(write);
    let mut seen = Vec::new();
    read.read_to_end(&mut seen).or_fail("read to the end")?;
    expect_eq!(seen.as_slice(), b"last", "what was written before the end");
    let n = read.read(&mut [0; 10]).or_fail("read at the end")?;
    expect_eq!(n, 0, "bytes at the end");
    Ok(())
}

fn without_reader() -> Outcome {
    let (read, mut write) = process::pipe().or_fail("create a pipe")?;
    drop(read);
    expect!(write.write(b"x").is_err(), "write to fail without a reader");
    // A blocked writer must fail too.
    let (read, mut write) = process::pipe().or_fail("create a pipe")?;
    let tally = Tally::new()?;
    let child = Kid::start(|| {
        sys::close(read.as_raw_fd());
        tally.report(1);
        i32::from(write.write_all(&vec![0; 100_000]).is_ok())
    })?;
    drop(write);
    tally.listen().hear()?;
    drop(read);
    child.ends_with(0, "writing without a reader")
}

/// A writer blocks while the pipe is full, a reader while it is empty.
fn full() -> Outcome {
    const LENGTH: usize = 50_000;
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let child = Kid::start(|| i32::from(write.write_all(&vec![3; LENGTH]).is_err()))?;
    drop(write);
    let mut seen = 0;
    let mut byte = [0; 7];
    loop {
        match read.read(&mut byte).or_fail("read")? {
            0 => break,
            n => {
                expect!(byte[..n].iter().all(|&b| b == 3), "only the bytes written");
                seen += n;
            }
        }
    }
    expect_eq!(seen, LENGTH, "bytes that came through");
    child.ends_with(0, "writing more than fits")
}

/// Writes random data in pieces of random sizes in a child, and checks it here.
fn transfer(length: usize, longest: usize, seed: u64) -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let child = Kid::start(|| {
        let mut random = Random::new(seed);
        let bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(1 + random.below(longest)));
            if write.write_all(now).is_err() {
                return 1;
            }
            rest = later;
        }
        0
    })?;
    drop(write);
    let mut expected = Random::new(seed);
    let mut pieces = Random::new(seed + 1);
    let mut seen = 0;
    let mut buffer = vec![0; longest];
    loop {
        let size = 1 + pieces.below(longest);
        let n = read.read(&mut buffer[..size]).or_fail("read")?;
        if n == 0 {
            break;
        }
        for &byte in &buffer[..n] {
            expect_eq!(byte, expected.number() as u8, "byte {seen}");
            seen += 1;
        }
    }
    expect_eq!(seen, length, "bytes that came through");
    child.ends_with(0, "writing")
}

fn large() -> Outcome {
    transfer(1 << 20, 16 << 10, 21)
}

fn odd_pieces() -> Outcome {
    transfer(30_000, 700, 22)
}

fn many_writers() -> Outcome {
    const WRITERS: u8 = 10;
    const EACH: usize = 3000;
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let kids: Vec<Kid> = (0..WRITERS)
        .map(|number| Kid::start(|| i32::from(write.write_all(&[number; EACH]).is_err())))
        .collect::<Result<_, _>>()?;
    drop(write);
    let mut counts = [0; WRITERS as usize];
    let mut buffer = [0; 512];
    loop {
        match read.read(&mut buffer).or_fail("read")? {
            0 => break,
            n => buffer[..n].iter().for_each(|&number| {
                if let Some(count) = counts.get_mut(usize::from(number)) {
                    *count += 1;
                }
            }),
        }
    }
    expect_eq!(counts, [EACH; WRITERS as usize], "bytes of each writer");
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "writing with others"))
}

/// Twenty processes in a chain, each adds one to every byte.
fn chain() -> Outcome {
    const LINKS: u8 = 20;
    let (mut input, mut first) = process::pipe().or_fail("create a pipe")?;
    let mut kids = Vec::new();
    for _ in 0..LINKS {
        let (read, mut write) = process::pipe().or_fail("create a pipe")?;
        kids.push(Kid::start(|| {
            // The inherited copy would keep the chain open.
            sys::close(first.as_raw_fd());
            let mut byte = [0];
            while matches!(input.read(&mut byte), Ok(1)) {
                byte[0] = byte[0].wrapping_add(1);
                if write.write_all(&byte).is_err() {
                    return 1;
                }
            }
            0
        })?);
        input = read;
    }
    for value in [0, 1, 100] {
        first.write_all(&[value]).or_fail("write")?;
        let mut seen = [0];
        input.read_exact(&mut seen).or_fail("read")?;
        expect_eq!(seen[0], value + LINKS, "what comes out for {value}");
    }
    drop(first);
    expect_eq!(input.read(&mut [0]).or_fail("read")?, 0, "bytes at the end");
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "handing on"))
}

fn wrong_end() -> Outcome {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    expect!(
        read.write(b"x").is_err(),
        "writing to the reading end to fail"
    );
    expect!(
        write.read(&mut [0]).is_err(),
        "reading from the writing end to fail"
    );
    Ok(())
}

fn duplicated_ends() -> Outcome {
    let (mut read, write) = process::pipe().or_fail("create a pipe")?;
    let mut copies: Vec<File> = (0..10)
        .map(|_| write.try_clone())
        .collect::<Result<_, _>>()
        .or_fail("dup")?;
    drop(write);
    for (i, copy) in copies.iter_mut().enumerate() {
        copy.write_all(&[i as u8]).or_fail("write to a copy")?;
    }
    drop(copies);
    let mut seen = Vec::new();
    read.read_to_end(&mut seen).or_fail("read")?;
    expect_eq!(
        seen.as_slice(),
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        "bytes through the copies"
    );
    Ok(())
}

/// Reads and writes of no bytes.
fn to_itself() -> Outcome {
    let (read, write) = process::pipe().or_fail("create a pipe")?;
    expect_eq!(
        sys::write(write.as_raw_fd(), b"".as_ptr(), 0),
        0,
        "write of no bytes"
    );
    expect_eq!(
        sys::write(write.as_raw_fd(), b"q".as_ptr(), 1),
        1,
        "write of one byte"
    );
    let mut byte = [0; 2];
    // SAFETY: the buffer is ours.
    let n = unsafe { sys::read(read.as_raw_fd(), byte.as_mut_ptr(), 0) };
    expect_eq!(n, 0, "read of no bytes");
    // SAFETY: the buffer is ours.
    let n = unsafe { sys::read(read.as_raw_fd(), byte.as_mut_ptr(), 2) };
    expect_eq!(n, 1, "read of the byte");
    Ok(())
}

fn many() -> Outcome {
    let pipes: Vec<(File, File)> = (0..500)
        .map(|_| process::pipe())
        .collect::<Result<_, _>>()
        .or_fail("make 500 pipes")?;
    for (i, (_, write)) in pipes.iter().enumerate() {
        let bytes = (i as u32).to_le_bytes();
        (&*write)
            .write_all(&bytes)
            .or_fail("write to one of many")?;
    }
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        gate.pass();
        0
    })?;
    for (i, (read, _)) in pipes.iter().enumerate() {
        let mut bytes = [0; 4];
        (&*read)
            .read_exact(&mut bytes)
            .or_fail("read from one of many")?;
        expect_eq!(u32::from_le_bytes(bytes), i as u32, "bytes of pipe {i}");
    }
    drop(pipes);
    gate.open();
    child.ends_with(0, "holding 500 pipes")
}
