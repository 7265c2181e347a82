//! The process table and its lock.

use super::process::Process;
use crate::mm::stack;
use crate::sync::{SpinLock, rank};

/// The type of the process table.
pub type Table = processes::Table<Process>;

/// The process table.
pub static TABLE: SpinLock<Table, { rank::TABLE }> = SpinLock::new(Table::new());

// Each process has a kernel stack.
const _: () = assert!(processes::MAX_PROCESSES < stack::MAX_STACKS);
