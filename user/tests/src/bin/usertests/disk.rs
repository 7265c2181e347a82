//! A full disk.

use abi::MemInfoFlags;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::Write;
use ulib::process::Command;
use ulib::{env, format, mem, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:;
    slow:
    "disk-full" = full,
    "disk-full-calls" = full_calls,
    "inodes-out" = inodes_out;
};

/// Bytes in the largest file.
const LARGEST: usize = 268 * 1024;

fn free_blocks() -> Result<u64, ulib::string::String> {
    Ok(mem::info(MemInfoFlags::DISK)
        .or_fail("count blocks")?
        .disk_free)
}

/// Writes files until a write fails; returns the number of files.
pub(crate) fn fill() -> Result<usize, ulib::string::String> {
    let piece = [b'd'; 16 * 1024];
    for number in 0.. {
        let Ok(mut file) = File::create(format!("fill{number}")) else {
            return Ok(number);
        };
        for _ in 0..LARGEST / piece.len() {
            if file.write_all(&piece).is_err() {
                // Fill the rest in smaller pieces.
                while file.write_all(&piece[..512]).is_ok() {}
                return Ok(number + 1);
            }
        }
    }
    Ok(0)
}

fn full() -> Outcome {
    fs::write("before", b"kept").or_fail("write a file")?;
    let before = free_blocks()?;
    let made = fill()?;
    let left = free_blocks()?;
    expect!(left < 8, "nearly no free blocks of {before}, saw {left}");
    expect_eq!(
        fs::read("before").or_fail("read a file")?.as_slice(),
        b"kept",
        "an old file"
    );
    for number in 0..made {
        let name = format!("fill{number}");
        let bytes = fs::read(&name).or_fail("read a file back")?;
        expect!(
            bytes.iter().all(|&b| b == b'd'),
            "{name} to hold what was written"
        );
        fs::remove_file(&name).or_fail("remove it")?;
    }
    fs::write("after", vec![b'a'; 50_000]).or_fail("write a file when there is room")
}

/// On a full disk, calls that need a block fail; others work.
fn full_calls() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("old", b"old").or_fail("write a file")?;
    fill()?;
    for number in 0.. {
        if fs::write(format!("rest{number}"), b"x").is_err() {
            break;
        }
    }
    expect!(
        fs::create_dir("new").is_err(),
        "creating a directory to fail"
    );
    expect!(fs::metadata("new").is_err(), "no trace of it");
    expect!(
        fs::write("new", b"new").is_err(),
        "writing a new file to fail"
    );
    expect_eq!(
        fs::read("old").or_fail("read an old file")?.as_slice(),
        b"old",
        "it"
    );
    File::options()
        .write(true)
        .open("old")
        .and_then(|mut file| file.write_all(b"OLD"))
        .or_fail("write over an old file")?;
    env::set_current_dir("d").or_fail("chdir")?;
    env::set_current_dir("..").or_fail("chdir")?;
    fs::hard_link("old", "d/link").or_fail("link where the directory has room")?;
    fs::remove_file("fill0").or_fail("remove a file")?;
    fs::write("new", b"new").or_fail("write a file when there is room")?;
    let out = File::create("out").or_fail("create a file")?;
    let ran = Command::new("/echo")
        .stdout(out)
        .status()
        .or_fail("run a program")?;
    expect!(ran.success(), "a program to work, saw {ran}");
    Ok(())
}

fn inodes_out() -> Outcome {
    let before = mem::info(MemInfoFlags::DISK)
        .or_fail("count inodes")?
        .disk_inodes;
    let mut made = 0;
    // In several directories: large ones are slow to search.
    'all: for directory in 0.. {
        if fs::create_dir(format!("d{directory}")).is_err() {
            break;
        }
        made += 1;
        for number in 0..100 {
            if File::create(format!("d{directory}/f{number}")).is_err() {
                break 'all;
            }
            made += 1;
        }
    }
    expect_eq!(made, before, "inodes that could be had");
    expect!(File::create("more").is_err(), "creating a file to fail");
    expect!(
        fs::create_dir("more").is_err(),
        "creating a directory to fail"
    );
    expect!(
        fs::make_device("more", 1, 0).is_err(),
        "creating a device to fail"
    );
    expect!(fs::metadata("more").is_err(), "no trace of them");
    fs::hard_link("d0/f0", "more").or_fail("link, which takes no inode")?;
    fs::remove_file("d0/f1").or_fail("remove a file")?;
    fs::write("new", b"new").or_fail("write a file with the inode that is free again")
}
