//! `stressfs`: several processes write, read and remove files concurrently.
#![no_std]
#![no_main]

use programs::cli::complain;
use ulib::fs::{self, File};
use ulib::io::{self, Error, Read, Write};
use ulib::{format, main, println, process};

main!(main);

const WRITERS: u8 = 5;
const ROUNDS: u8 = 4;
const PIECES: usize = 20;
const PIECE: usize = 512;

fn main() -> i32 {
    println!("stressfs starting");
    for writer in 0..WRITERS {
        let child = process::fork_with(|| match work(writer) {
            Ok(()) => 0,
            Err(error) => {
                complain(format_args!("writer {writer}: {error}"));
                1
            }
        });
        if let Err(error) = child {
            complain(format_args!("cannot fork: {error}"));
            return 1;
        }
    }
    let mut failed = false;
    while let Ok((_, status)) = process::wait() {
        failed |= !status.success();
    }
    if !failed {
        println!("stressfs OK");
    }
    i32::from(failed)
}

fn work(writer: u8) -> io::Result<()> {
    let name = format!("stressfs{writer}");
    for round in 0..ROUNDS {
        let piece = [b'a' + writer + round; PIECE];
        let mut file = File::create(&name)?;
        for _ in 0..PIECES {
            file.write_all(&piece)?;
        }
        let mut file = File::open(&name)?;
        for _ in 0..PIECES {
            let mut seen = [0; PIECE];
            file.read_exact(&mut seen)?;
            if seen != piece {
                return Err(Error::InvalidData);
            }
        }
        fs::remove_file(&name)?;
    }
    Ok(())
}
