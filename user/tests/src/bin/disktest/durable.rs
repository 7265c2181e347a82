//! When changes are on the disk.

use abi::{Errno, Event, FileType, MemInfoFlags};
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Error, Write};
use ulib::process::Command;
use ulib::string::String;
use ulib::{mem, process, sys, thread};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "fsync" = fsync,
    "fsync-refused" = fsync_refused,
    "sync" = sync,
    "idle-writes-back" = idle_writes_back;
    slow:;
};

/// Blocks that were written to the disk so far.
fn written() -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::empty()).or_fail("count")?;
    Ok(info.events[Event::DiskWrite as usize])
}

fn fsync() -> Outcome {
    let mut file = File::create("file").or_fail("make a file")?;
    file.write_all(&[b'f'; 4096]).or_fail("write it")?;
    let directory = File::open(".").or_fail("open a directory")?;
    for (what, file) in [("a file", &file), ("a directory", &directory)] {
        file.sync_all().or_fail(what)?;
    }
    // Nobody else changes anything: a second time there is nothing to write.
    let before = written()?;
    file.sync_all().or_fail("a second time")?;
    let more = written()? - before;
    // The thread that writes back may be at it, and takes the log's blocks to where they belong.
    expect!(more < 64, "few blocks of 1 KiB to be written, saw {more}");
    expect_eq!(
        fs::read("file").or_fail("read it")?.as_slice(),
        [b'f'; 4096].as_slice(),
        "the file"
    );
    Ok(())
}

fn fsync_refused() -> Outcome {
    fs::make_device("device", abi::CONSOLE, 0).or_fail("make a device")?;
    let device = File::open("device").or_fail("open it")?;
    expect_eq!(
        device.metadata().or_fail("stat it")?.file_type(),
        Some(FileType::Device),
        "its kind"
    );
    let (read, write) = process::pipe().or_fail("make a pipe")?;
    let invalid = Err(Error::Kernel(Errno::Invalid));
    for (what, file) in [("a device", &device), ("a pipe", &read), ("a pipe", &write)] {
        expect_eq!(file.sync_all(), invalid, "{what}");
    }
    expect_eq!(sys::fsync(99), -1, "a number that is not open");
    Ok(())
}

fn sync() -> Outcome {
    let before = written()?;
    fs::write("file", [b's'; 3000]).or_fail("write a file")?;
    fs::sync().or_fail("sync")?;
    let more = written()? - before;
    expect!(more >= 6, "at least 6 blocks of 1 KiB, saw {more}");
    let ran = Command::new("/sync").status().or_fail("run sync")?;
    expect!(ran.success(), "sync to end well, saw {ran}");
    Ok(())
}

/// While everybody sleeps, the changes go to the disk by themselves.
fn idle_writes_back() -> Outcome {
    let before = written()?;
    fs::write("file", [b'i'; 3000]).or_fail("write a file")?;
    for _ in 0..600 {
        if written()? >= before + 6 {
            return Ok(());
        }
        thread::sleep_ticks(1);
    }
    Err(String::from("600 ticks later the disk has nothing of it"))
}
