//! `zombie`: leaves its child, which has ended, uncollected for half a second, to be seen in the
//! process list (Ctrl-P), and then to init.
#![no_std]
#![no_main]

use ulib::{main, process, thread};

main!(main);

fn main() -> ulib::io::Result<()> {
    process::fork_with(|| 0)?;
    thread::sleep_ticks(5);
    Ok(())
}
