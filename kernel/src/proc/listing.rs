//! The list of processes that Ctrl-P prints. It is made in an interrupt, so it waits for nothing:
//! what is locked at the moment is left out.

use super::TABLE;
use crate::mm::ram::frames;
use crate::{print, println};

/// Prints a line a process, and one about memory.
pub fn print() {
    let Some(table) = TABLE.try_lock() else {
        println!("\n(the process table is in use, try again)");
        return;
    };
    println!("\n  pid parent state   pages  size name");
    table.for_each(|process, parent| {
        let stats = process
            .space
            .try_lock()
            .and_then(|s| s.as_ref().map(|s| s.stats()));
        let (resident, size) = stats.map_or((0, 0), |stats| (stats.resident, stats.size));
        print!(
            "{:5} {:6} {:6} {resident:6} {size:5} ",
            process.pid,
            parent.unwrap_or(0),
            process.state().name(),
        );
        match process.try_name() {
            Some(name) => println!("{name}"),
            None => println!("?"),
        }
    });
    if let Some(stats) = frames().try_stats() {
        println!("{} of {} pages free", stats.free, stats.total);
    }
}
