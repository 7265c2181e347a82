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

pub use current::{Current, current, number_on, try_current};
pub use objects::TestObjects;
pub use process::{Name, Own, Process, state_of};
pub use table::{TABLE, Table};
