//! `vmstat [-s] [SECONDS [COUNT]]`: memory and system activity, a line for each interval; the first
//! line is since boot. `-s` lists all event counts since boot.
#![no_std]
#![no_main]

use abi::{Event, MemInfo, MemInfoFlags, PAGE_SIZE, TICKS_PER_SECOND};
use programs::cli::{number, usage};
use ulib::vec::Vec;
use ulib::{env, main, mem, println, thread};

main!(main);

const KIB: u64 = PAGE_SIZE as u64 / 1024;
/// Lines between two headings.
const PAGE: u64 = 20;

fn main() -> ulib::io::Result<i32> {
    let arguments: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    let numbers: Vec<Option<u64>> = arguments.iter().map(|text| number(text)).collect();
    match (&arguments[..], &numbers[..]) {
        ([b"-s"], _) => all()?,
        (_, []) => watch(0, 1)?,
        (_, [Some(seconds @ 1..)]) => watch(*seconds, u64::MAX)?,
        (_, [Some(seconds @ 1..), Some(count @ 1..)]) => watch(*seconds, *count)?,
        _ => return Ok(usage("vmstat [-s] [SECONDS [COUNT]]")),
    }
    Ok(0)
}

fn all() -> ulib::io::Result<()> {
    let info = mem::info(MemInfoFlags::empty())?;
    for &event in Event::ALL {
        println!("{:12} {}", info.events[event as usize], event.name());
    }
    Ok(())
}

fn watch(seconds: u64, count: u64) -> ulib::io::Result<()> {
    let mut before = MemInfo::default();
    for line in 0..count {
        if line > 0 {
            thread::sleep_ticks((seconds * TICKS_PER_SECOND) as usize);
        }
        let now = mem::info(MemInfoFlags::empty())?;
        if line % PAGE == 0 {
            heading();
        }
        show(&now, &before);
        before = now;
    }
    Ok(())
}

fn heading() {
    println!(
        "procs ---- memory KiB ---- --- faults --- --- pages --- - disk KiB - ---- system ----"
    );
    println!(
        "        free cached   anon  read write ex  zero  file copy    in  out  call  intr   cs flush"
    );
}

fn show(now: &MemInfo, before: &MemInfo) {
    let since = |events: &[Event]| -> u64 {
        let each = events.iter().map(|&event| event as usize);
        each.map(|i| now.events[i].saturating_sub(before.events[i]))
            .sum()
    };
    println!(
        "{:5} {:7} {:6} {:6} {:5} {:5} {:2} {:5} {:5} {:4} {:5} {:4} {:5} {:5} {:4} {:5}",
        now.processes,
        now.free * KIB,
        now.cached * KIB,
        now.anonymous * KIB,
        since(&[Event::FaultRead]),
        since(&[Event::FaultWrite]),
        since(&[Event::FaultExecute]),
        since(&[Event::ZeroFill]),
        since(&[Event::FileMap, Event::FileCopy]),
        since(&[Event::Copy]),
        since(&[Event::DiskRead]),
        since(&[Event::DiskWrite]),
        since(&[Event::Call]),
        since(&[Event::Timer, Event::Device, Event::Hart]),
        since(&[Event::Switch]),
        since(&[Event::FlushSpace, Event::FlushAll]),
    );
}
