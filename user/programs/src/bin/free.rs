//! `free [-b | -k]`: memory use in KiB; with `-b` the page allocator's free blocks by order, with
//! `-k` kmalloc's size classes.
#![no_std]
#![no_main]

use abi::{MemInfo, MemInfoFlags, PAGE_SIZE, Use};
use programs::cli::usage;
use ulib::{env, main, mem, println};

main!(main);

fn main() -> ulib::io::Result<i32> {
    let show: fn(&MemInfo) = match env::args_bytes().nth(1) {
        None => summary,
        Some(b"-b") => blocks,
        Some(b"-k") => classes,
        Some(_) => return Ok(usage("free [-b | -k]")),
    };
    show(&mem::info(MemInfoFlags::empty())?);
    Ok(0)
}

/// KiB of a large page.
const LARGE_KIB: u64 = 2048;

fn kib(pages: u64) -> u64 {
    pages * (PAGE_SIZE as u64 / 1024)
}

fn summary(info: &MemInfo) {
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
    let largest = info.blocks.iter().rposition(|&count| count > 0);
    let largest = largest.map_or(0, |order| kib(1 << order));
    println!("largest free block {largest}");
    println!("in large pages {}", info.large_pages * LARGE_KIB);
    match info.commit_limit {
        0 => println!("committed {}, no limit", kib(info.committed)),
        limit => println!("committed {} of {}", kib(info.committed), kib(limit)),
    }
    println!("used and cached by");
    for &what in Use::ALL.iter().filter(|what| !what.is_free()) {
        let outside = if what.is_reserved() {
            " (reserved)"
        } else {
            ""
        };
        let pages = info.uses[what as usize];
        println!("{:8} {}{outside}", kib(pages), what.name());
    }
}

fn blocks(info: &MemInfo) {
    println!("order   block KiB    free blocks      KiB");
    for (order, &count) in info.blocks.iter().enumerate() {
        let block = kib(1 << order);
        println!("{order:5} {block:11} {count:14} {:8}", block * count);
    }
    println!("in per-CPU caches {:28}", kib(info.cpu_cached));
    println!("reserved for large pages {:21}", kib(info.reservations));
    println!("total free {:35}", kib(info.free));
    println!(
        "least ever free, without caches {:14}",
        kib(info.least_free)
    );
    println!(
        "allocations that shrank caches: {}, that failed: {}",
        info.stalls, info.failed
    );
}

fn classes(info: &MemInfo) {
    println!(" size     live   cached     free    pages  waste KiB");
    for class in info.classes.iter().filter(|class| class.slabs > 0) {
        let bytes = u64::from(class.slabs) * PAGE_SIZE as u64;
        let waste = bytes.saturating_sub(u64::from(class.live) * u64::from(class.size));
        println!(
            "{:5} {:8} {:8} {:8} {:8} {:10}",
            class.size,
            class.live,
            class.cached,
            class.free,
            class.slabs,
            waste / 1024,
        );
    }
    println!(
        "whole-page objects {}, slab records {} pages, empty slabs {} pages, total {} pages",
        info.whole, info.records, info.slab_reserve, info.slab
    );
}
