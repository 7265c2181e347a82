//! Files on the disk, in the current directory.

use crate::meter::Meter;
use crate::{Operation, operations};
use ulib::fs::{self, File};
use ulib::io::{Error, Read, Result, Write};
use ulib::string::String;
use ulib::{format, process};

pub const OPERATIONS: &[Operation] = operations! {
    "open", 200, "open for reading, and close" => open;
    "read-16k", 100, "read of 16 cached KiB" => read;
    "write-16k", 20, "write of 16 KiB to a new file; varies with the disk" => write;
    "create", 50, "open that creates a file, close, unlink; varies with the disk" => create;
};

const SIZE: usize = 16 << 10;

/// A temporary file, removed on drop.
struct Scratch(String);

impl Scratch {
    fn new() -> Result<Scratch> {
        let name = format!("count.{}", process::id());
        match File::open(&name) {
            Ok(_) => Err(Error::Kernel(abi::Errno::Exists)),
            Err(_) => Ok(Scratch(name)),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn open(meter: &mut Meter) -> Result<()> {
    let file = Scratch::new()?;
    File::create(&file.0)?;
    meter.each(|| File::open(&file.0))
}

fn read(meter: &mut Meter) -> Result<()> {
    let file = Scratch::new()?;
    fs::write(&file.0, [1; SIZE])?;
    let mut buffer = [0; SIZE];
    meter.rounds(|meter| {
        let mut file = File::open(&file.0)?;
        meter.once(|| file.read_exact(&mut buffer))
    })
}

fn write(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new()?;
    meter.rounds(|meter| {
        let mut file = File::create(&scratch.0)?;
        meter.once(|| file.write_all(&[1; SIZE]))?;
        drop(file);
        fs::remove_file(&scratch.0)
    })
}

fn create(meter: &mut Meter) -> Result<()> {
    let file = Scratch::new()?;
    meter.each(|| {
        drop(File::create(&file.0)?);
        fs::remove_file(&file.0)
    })
}
