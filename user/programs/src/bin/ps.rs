//! `ps`: lists the kernel threads and all processes, with memory in KiB.
#![no_std]
#![no_main]

use abi::{PAGE_SIZE, ProcInfo, ProcState};
use programs::cli::padded;
use ulib::{inspect, main, println};

main!(main);

const KIB: u64 = PAGE_SIZE as u64 / 1024;

fn main() {
    println!("  PID PARENT STATE      SIZE RESIDENT   SHARED   TABLES NAME");
    let all = inspect::kernel_threads().chain(inspect::processes());
    all.for_each(|info| line(&info));
}

fn line(info: &ProcInfo) {
    println!(
        "{:5} {:6} {:6} {:8} {:8} {:8} {:8} {}",
        info.pid,
        info.parent,
        ProcState::from_number(info.state).map_or("?", ProcState::name),
        info.size * KIB,
        info.resident * KIB,
        info.shared * KIB,
        info.page_tables * KIB,
        padded(&info.name),
    );
}
