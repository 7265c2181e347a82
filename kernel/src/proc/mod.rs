//! Processes: what one is, the table of all, who runs when, and the calls that make and end them.

pub mod exec;
pub mod exit;
pub mod fork;
pub mod listing;
mod objects;
mod process;
mod queue;
pub mod sched;
mod table;

pub use objects::TestObjects;
pub use process::{Name, Own, Process};
pub use queue::ProcessQueue;
pub use table::{HIGHEST_LIMIT, TABLE, init, set_limit};
