//! `free [-b]`: how much memory there is and what it is used for, in KiB; with `-b` also the free
//! blocks of each order.
#![no_std]
#![no_main]

use abi::{MemInfoFlags, PAGE_SIZE};
use programs::cli::usage;
use ulib::{env, main, mem, print, println};

main!(main);

fn main() -> ulib::io::Result<i32> {
    let blocks = match env::args_bytes().nth(1) {
        None => false,
        Some(b"-b") => true,
        Some(_) => return Ok(usage("free [-b]")),
    };
    let info = mem::info(MemInfoFlags::empty())?;
    let kib = |pages: u64| pages * (PAGE_SIZE as u64 / 1024);
    println!("   total     used     free   cached     slab reserved (KiB)");
    println!(
        "{:8} {:8} {:8} {:8} {:8} {:8}",
        kib(info.total),
        kib(info.total.saturating_sub(info.free + info.cached)),
        kib(info.free),
        kib(info.cached),
        kib(info.slab),
        kib(info.reserved),
    );
    if blocks {
        print!("free blocks of");
        for (order, count) in info.blocks.iter().enumerate() {
            print!(" {}K: {count}", kib(1 << order));
        }
        println!();
    }
    Ok(0)
}
