//! User address spaces: the crate `vm` bound to this machine's frames and files, page faults, and the lock and
//! the counters of each space.

mod fault;
mod machine;
mod mm;
pub mod reservations;

pub use fault::{Denied, resolve};
pub use machine::{Space, init, init_reserve};
pub use mm::Mm;
