//! Processes: the table, `fork`, `exec`, `exit`, process groups, and out of memory.

mod current;
pub mod exec;
pub mod exit;
pub mod fork;
pub mod group;
mod objects;
pub mod oom;
mod process;
mod table;

pub use current::{Current, current, pid_on, try_current};
pub use objects::TestObjects;
pub use process::{Name, Process, Resources, state_of};
pub use table::{TABLE, Table};
