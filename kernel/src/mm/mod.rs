//! Memory: the crates `frames`, `kmalloc` and `vm` put together with this machine's RAM and locks.

pub mod asid;
pub mod aside;
pub mod commit;
pub mod dump;
mod fault;
pub mod heap;
pub mod info;
pub mod kernel_space;
mod machine;
pub mod ram;
mod stack;
pub mod user;

pub use commit::Commit;
pub use fault::{Denied, resolve};
pub use machine::{Machine, Space, satp_of};
pub use ram::Frame;
pub use stack::KernelStack;

use crate::dev::platform::Platform;

/// Takes the RAM that the device tree names into use: page allocator, the kernel's own page table,
/// heap. Runs once, on the boot hart.
pub fn init(platform: &Platform) {
    ram::init(platform);
    aside::init();
    heap::init();
    kernel_space::init(platform);
    asid::init();
    machine::init();
    stack::init();
}
