//! RISC-V, 64 bits, supervisor mode, Sv39.

pub mod boot;
pub mod csr;
pub mod fpu;
pub mod hart;
pub mod held_locks;
pub mod layout;
pub mod paging;
pub mod preserve_most;
pub mod relaxed;
pub mod sbi;
pub mod switch;
pub mod timer;
pub mod trap;
pub mod unwind;
pub mod usercopy;
