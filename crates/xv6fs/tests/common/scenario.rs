//! Operations to run while the disk fails.

use super::{Disk, pattern};
use abi::FileType::{Device, Directory, File};
use xv6fs::{Error, Fs, ROOT};

/// A step of the scenario.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Make(&'static str, abi::FileType),
    Write(&'static str, usize, usize),
    Link(&'static str, &'static str),
    Unlink(&'static str),
    Remove(&'static str),
    Truncate(&'static str),
}

/// Covers every kind of change: new and reused blocks, indirect blocks, growing directories.
pub const SCENARIO: &[Step] = &[
    Step::Make("/d", Directory),
    Step::Make("/d/e", Directory),
    Step::Make("/d/f", File),
    Step::Write("/d/f", 0, 3000),
    Step::Make("/null", Device),
    Step::Write("/d/f", 2999, 20_000),
    Step::Link("/d/f", "/d/e/g"),
    Step::Write("/d/f", 500, 100),
    Step::Unlink("/d/f"),
    Step::Make("/h", File),
    Step::Write("/h", 0, 12_288),
    Step::Truncate("/d/e/g"),
    Step::Write("/h", 12_288, 1),
    Step::Remove("/d/e/g"),
    Step::Remove("/d/e"),
    Step::Write("/h", 5000, 9000),
    Step::Remove("/h"),
    Step::Make("/i", File),
    Step::Write("/i", 0, 1500),
];

pub fn run(fs: &mut Fs<Disk>, step: Step) -> Result<(), Error> {
    match step {
        Step::Make(path, kind) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            fs.create(dir, name, kind, 3, 4)?;
        }
        Step::Write(path, offset, length) => {
            let inum = fs.resolve(ROOT, path.as_bytes())?;
            let data = pattern(length as u8, length);
            let written = fs.write(inum, offset as u64, &data)?;
            assert_eq!(written, length, "{step:?}");
        }
        Step::Link(old, new) => {
            let inum = fs.resolve(ROOT, old.as_bytes())?;
            let (dir, name) = fs.resolve_parent(ROOT, new.as_bytes())?;
            fs.link(inum, dir, name)?;
        }
        Step::Unlink(path) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            fs.unlink(dir, name)?;
        }
        Step::Remove(path) => {
            let (dir, name) = fs.resolve_parent(ROOT, path.as_bytes())?;
            let gone = fs.unlink(dir, name)?;
            assert_eq!(gone.nlink, 0, "{step:?}");
            // The unlink is committed whether or not this succeeds.
            let _ = fs.free(gone.inum);
        }
        Step::Truncate(path) => {
            let inum = fs.resolve(ROOT, path.as_bytes())?;
            fs.truncate(inum)?;
        }
    }
    Ok(())
}
