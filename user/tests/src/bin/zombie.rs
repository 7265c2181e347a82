//! `zombie`: leaves its child a zombie for half a second, for the process list (Ctrl-P), and then
//! orphans it.
#![no_std]
#![no_main]

use ulib::{main, process, thread};

main!(main);

fn main() -> ulib::io::Result<()> {
    process::fork_with(|| 0)?;
    thread::sleep_ticks(5);
    Ok(())
}
