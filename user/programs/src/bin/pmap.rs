//! `pmap [-t] PID`: the regions of a process, in KiB; with `-t` its page table, in the format of
//! the lab's `vmprint`.
#![no_std]
#![no_main]

use abi::{PAGE_SIZE, Prot, RegionInfo, RegionUse, TableEntry};
use programs::cli::{Text, complain, number, padded, usage};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{env, format, inspect, main, println};

main!(main);

const KIB: u64 = PAGE_SIZE as u64 / 1024;

fn main() -> i32 {
    let arguments: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    let (show, pid): (fn(i32) -> ulib::io::Result<()>, _) = match arguments[..] {
        [b"-t", pid] => (table, pid),
        [pid] => (regions, pid),
        _ => return usage("pmap [-t] PID"),
    };
    let Some(number) = number(pid) else {
        complain(format_args!("{}: expected a process ID", Text(pid)));
        return 1;
    };
    match show(number) {
        Ok(()) => 0,
        Err(error) => {
            complain(format_args!("process {number}: {error}"));
            1
        }
    }
}

fn regions(pid: i32) -> ulib::io::Result<()> {
    let info = inspect::process(pid)?;
    let regions = inspect::regions(pid)?;
    println!("{pid} {}", padded(&info.name));
    println!("         start            end     size resident   shared    zero prot kind");
    let mut sum = RegionInfo::default();
    for region in regions {
        line(&region);
        sum.end += region.end - region.start;
        sum.resident += region.resident;
        sum.shared += region.shared;
        sum.zero += region.zero;
        sum.large += region.large;
    }
    println!(
        "{:>29} {:8} {:8} {:8} {:7}",
        "total",
        sum.end / 1024,
        sum.resident * KIB,
        sum.shared * KIB,
        sum.zero * KIB
    );
    println!(
        "page tables {}, in large pages {}, committed {}",
        info.page_tables * KIB,
        sum.large * KIB,
        info.committed * KIB
    );
    Ok(())
}

fn line(region: &RegionInfo) {
    println!(
        "{:14x} {:14x} {:8} {:8} {:8} {:7} {:4} {}",
        region.start,
        region.end,
        (region.end - region.start) / 1024,
        region.resident * KIB,
        region.shared * KIB,
        region.zero * KIB,
        rights(region.prot),
        kind(region)
    );
}

fn rights(prot: u32) -> &'static str {
    const NAMES: [&str; 8] = ["---", "r--", "-w-", "rw-", "--x", "r-x", "-wx", "rwx"];
    NAMES[prot as usize & Prot::all().bits() as usize]
}

fn kind(region: &RegionInfo) -> String {
    let name = match RegionUse::from_number(region.kind) {
        Some(RegionUse::Stack) if region.prot == 0 => "guard",
        Some(kind) => kind.name(),
        None => "?",
    };
    match region.inode {
        0 => String::from(name),
        inode => format!("{name}, inode {inode} from {:#x}", region.offset),
    }
}

fn table(pid: i32) -> ulib::io::Result<()> {
    for entry in inspect::page_table(pid)? {
        entry_line(entry);
    }
    Ok(())
}

/// The number of `..` is the depth of the entry's table.
fn entry_line(entry: TableEntry) {
    const BELOW: [&str; 3] = [".. .. ..", ".. ..", ".."];
    let Some(below) = BELOW.get(entry.level() as usize) else {
        println!("page table {:#x}", entry.physical());
        return;
    };
    println!(
        "{below}{}: pte {:#018x} pa {:#x} {} {}",
        entry.index(),
        entry.bits,
        entry.physical(),
        flags(entry.bits),
        meaning(entry)
    );
}

/// The flag bits, by the letters of the specification.
fn flags(bits: u64) -> String {
    let letters = b"vrwxugad".iter().enumerate();
    letters
        .map(|(bit, &letter)| match bits >> bit & 1 {
            1 => char::from(letter),
            _ => '-',
        })
        .collect()
}

fn meaning(entry: TableEntry) -> String {
    const SPANS: [&str; 3] = ["4 KiB", "2 MiB", "1 GiB"];
    const VALID: u64 = 1;
    const RIGHTS: u64 = 0b1110;
    match entry.bits & (VALID | RIGHTS) {
        VALID => String::from("table"),
        bits if bits & VALID == 0 => format!("reserved for {:#x}", entry.address()),
        _ => {
            let span = SPANS.get(entry.level() as usize).unwrap_or(&"?");
            format!("{span} at {:#x}", entry.address())
        }
    }
}
