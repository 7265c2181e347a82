//! What the table takes of memory, by an allocator that counts for each thread: the test runner allocates too.

use fallible::KArc;
use processes::{INIT, Identity, MAX_PROCESSES, Table};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Deref;

struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: isize) {
    BYTES.set(BYTES.get() + bytes);
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size() as isize);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        add(-(layout.size() as isize));
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Process(Identity);

impl Deref for Process {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.0
    }
}

fn fork(table: &mut Table<Process>) -> Result<i32, abi::Errno> {
    let pid = table.next_pid();
    let init = table.get(INIT).cloned();
    let process = KArc::try_new(Process(Identity::new(pid))).unwrap();
    table.add(process, init.as_deref()).map(|()| pid)
}

fn end(table: &mut Table<Process>, pid: i32) {
    table.end(pid, 0);
    assert_eq!(table.ended_child(INIT), Ok(Some((pid, 0))));
    assert!(table.reap(INIT, pid).is_some());
}

#[test]
fn a_table_that_was_full_gives_its_memory_back() {
    let mut table = Box::new(Table::new());
    table.set_limit(usize::MAX);
    fork(&mut table).unwrap();
    let before = BYTES.get();
    let mut children: Vec<i32> = std::iter::from_fn(|| fork(&mut table).ok()).collect();
    assert_eq!(
        (table.count(), children.len()),
        (MAX_PROCESSES, MAX_PROCESSES - 1)
    );
    // Every other one first, so that pieces of the table become empty late.
    let (even, odd): (Vec<i32>, Vec<i32>) = children.iter().partition(|pid| **pid % 2 == 0);
    even.into_iter()
        .chain(odd)
        .for_each(|pid| end(&mut table, pid));
    assert!(table.ended_child(INIT).is_err(), "no child is left");
    children = Vec::new();
    assert_eq!(BYTES.get(), before, "bytes, {} children", children.len());
    // More processes than any count of children has room for.
    for _ in 0..70_000 {
        let pid = fork(&mut table).unwrap();
        end(&mut table, pid);
    }
    assert_eq!(BYTES.get(), before);
}
