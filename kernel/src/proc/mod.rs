//! Processes: what one is, the table of all, who runs when, and the calls that make and end them.

pub mod exec;
pub mod exit;
pub mod fork;
pub mod group;
mod objects;
pub mod oom;
mod process;
mod queue;
pub mod sched;
mod table;

/// Number of the first process, which every other comes from and which never ends.
pub const INIT: i32 = 1;

pub use objects::TestObjects;
pub use process::{Name, Own, Process};
pub use queue::{Kind as QueueKind, ProcessQueue};
pub use table::{HIGHEST_LIMIT, TABLE, Table, set_limit};
