//! Files that need a double indirect block.

use abi::MemInfoFlags;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::process::Command;
use ulib::string::String;
use ulib::{mem, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:;
    slow:
    "large-file" = large_file;
};

/// More than a direct, an indirect and a whole block of the double indirect one lead to.
const SIZE: usize = 1500 * 1024 + 77;
/// Not a multiple of a block.
const PIECE: usize = 10_000;

fn byte(at: usize) -> u8 {
    (at / 1024 * 31 + at) as u8
}

fn free_blocks() -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::DISK).or_fail("count blocks")?;
    Ok(info.disk_free)
}

fn large_file() -> Outcome {
    let before = free_blocks()?;
    let mut file = File::create("large").or_fail("make a file")?;
    for start in (0..SIZE).step_by(PIECE) {
        let end = (start + PIECE).min(SIZE);
        let bytes: vec::Vec<u8> = (start..end).map(byte).collect();
        file.write_all(&bytes).or_fail("write a piece")?;
    }
    file.sync_all().or_fail("fsync")?;
    let length = fs::metadata("large").or_fail("stat")?.len();
    expect_eq!(length, SIZE as u64, "its size");
    // 1501 of data, the indirect one, the double indirect one and five below it.
    expect_eq!(before - free_blocks()?, 1501 + 1 + 1 + 5, "blocks it takes");
    let (listed, _) = Command::new("/ls").output().or_fail("run ls")?;
    let listed = core::str::from_utf8(&listed).unwrap_or("?");
    expect!(
        listed
            .lines()
            .any(|line| line.starts_with("large") && line.contains("1536077")),
        "ls to tell its size, saw {listed}"
    );
    // Nothing of it is in memory now.
    mem::info(MemInfoFlags::DROP_CACHES).or_fail("drop caches")?;
    let mut file = File::open("large").or_fail("open it again")?;
    let mut bytes = vec![0; PIECE];
    for start in (0..SIZE).step_by(PIECE) {
        let end = (start + PIECE).min(SIZE);
        let piece = &mut bytes[..end - start];
        file.read_exact(piece).or_fail("read a piece")?;
        let right = piece.iter().zip(start..).all(|(&b, at)| b == byte(at));
        expect!(right, "the bytes from {start} on to be what was written");
    }
    File::create("large").or_fail("cut it")?;
    expect_eq!(free_blocks()?, before, "free blocks when it is empty");
    fs::remove_file("large").or_fail("remove it")
}
