//! Listings and dumps of kernel state: for system calls, and on the console for Ctrl-T and Ctrl-P.

pub mod meminfo;
pub mod memory;
pub mod state;
