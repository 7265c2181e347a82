//! The table of all processes, with this kernel's lock.

use super::process::Process;
use crate::mm::stack;
use crate::sync::{SpinLock, rank};

/// All processes.
pub type Table = processes::Table<Process>;

/// The table.
pub static TABLE: SpinLock<Table, { rank::TABLE }> = SpinLock::new(Table::new());

// Each has a kernel stack.
const _: () = assert!(processes::MOST < stack::MOST);
