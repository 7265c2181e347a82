//! Processes: what one is, the table of all, and the calls that make and end them.

mod current;
pub mod exec;
pub mod exit;
pub mod fork;
pub mod group;
mod objects;
pub mod oom;
mod process;
mod table;

/// Number of the first process, which every other comes from and which never ends.
pub const INIT: i32 = 1;

pub use current::{Current, current, number_of, try_current};
pub use objects::TestObjects;
pub use process::{Name, Own, Process, state_of};
pub use table::{TABLE, Table, set_limit};
