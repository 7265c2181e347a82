//! `ls [NAME…]`: lists files, and the files in directories: name, type (1 directory, 2 file, 3
//! device), inode, size.
#![no_std]
#![no_main]

use abi::DIRSIZ;
use programs::cli::{Text, complain};
use ulib::fs::{self, Metadata};
use ulib::io::Result;
use ulib::vec::Vec;
use ulib::{env, format, main, println};

main!(main);

fn main() -> i32 {
    let mut names: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    if names.is_empty() {
        names.push(b".");
    }
    let mut status = 0;
    for name in names {
        if let Err(error) = list(name) {
            complain(format_args!("cannot list {}: {error}", Text(name)));
            status = 1;
        }
    }
    status
}

fn list(name: &[u8]) -> Result<()> {
    let about = fs::metadata(name)?;
    if !about.is_dir() {
        let start = name
            .iter()
            .rposition(|&b| b == b'/')
            .map_or(0, |slash| slash + 1);
        show(&name[start..], &about);
        return Ok(());
    }
    for entry in fs::read_dir(name)? {
        let entry = entry?;
        let mut path = Vec::from(name);
        path.push(b'/');
        path.extend_from_slice(entry.file_name());
        match fs::metadata(&path) {
            Ok(about) => show(entry.file_name(), &about),
            Err(error) => complain(format_args!("cannot stat {}: {error}", Text(&path))),
        }
    }
    Ok(())
}

fn show(name: &[u8], about: &Metadata) {
    let stat = about.stat();
    let name = format!("{}", Text(name));
    println!("{name:DIRSIZ$} {} {} {}", stat.kind, stat.ino, stat.size);
}
