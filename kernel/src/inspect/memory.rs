//! The memory dump of Ctrl-T. It runs in an interrupt handler and must work even if no process can run: it allocates
//! nothing, and waits for locks with a timeout.

use crate::arch::hart;
use crate::mm::ram::frames;
use crate::mm::{heap, stack};
use crate::proc::TABLE;
use crate::sync::poll_timeout;
use crate::{fs, print, println};
use abi::Event;

/// Prints the use of memory, and the pages of each process.
pub fn print() {
    print!("\nmemory: ");
    match poll_timeout(|| frames().try_stats()) {
        Some(stats) => {
            println!("{} pages, {} free", stats.total, stats.free);
            print!("blocks of 4 KiB to 4 MiB:");
            stats.blocks.iter().for_each(|count| print!(" {count}"));
            print!("\n");
        }
        None => println!("(busy)"),
    }
    match poll_timeout(fs::try_pages) {
        Some((cached, all)) => print!("cached: {cached} of {all} pages of files; kernel: "),
        None => print!("cached: (busy) pages of files; kernel: "),
    }
    match poll_timeout(heap::try_pages) {
        Some(pages) => print!("{pages} of kmalloc, "),
        None => print!("(busy) of kmalloc, "),
    }
    println!("{} of stacks", stack::pages());
    print_switches();
    print_processes();
}

fn print_switches() {
    println!(
        "{} switches; flushes: {} of a page, {} of a space, {} of everything",
        hart::event_count(Event::Switch),
        hart::event_count(Event::FlushPage),
        hart::event_count(Event::FlushSpace),
        hart::event_count(Event::FlushAll)
    );
}

fn print_processes() {
    let Some(table) = poll_timeout(|| TABLE.try_lock()) else {
        println!("processes: (busy)");
        return;
    };
    println!("  pid state   pages  held name");
    table.for_each(|process, _| {
        let (pid, state) = (process.pid, process.state().name());
        let (pages, held) = (process.mm().resident(), process.resource_pages());
        match process.try_name() {
            Some(name) => println!("{pid:5} {state:6} {pages:6} {held:5} {name}"),
            None => println!("{pid:5} {state:6} {pages:6} {held:5} (busy)"),
        }
    });
}
