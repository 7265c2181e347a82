//! Memory: the crates `frames`, `kmalloc` and `vm` put together with this machine's RAM and locks.

pub mod asid;
pub mod commit;
pub mod device;
pub mod heap;
pub mod kernel_space;
pub mod ram;
pub mod stack;
pub mod user;

pub use commit::Commit;
pub use ram::Frame;
pub use stack::KernelStack;

use crate::platform::Platform;

/// This machine's memory, for the crate `vm`. It has no state of its own; `space` says what `vm` needs
/// of it.
#[derive(Clone)]
pub struct Machine;

impl From<vm::Frame<Machine>> for Frame {
    fn from(frame: vm::Frame<Machine>) -> Frame {
        // SAFETY: it is a reference, which is given up here. Objects of files are written through their
        // frames alone, and mapped read-only.
        unsafe { Frame::from_pfn(frame.into_pfn()) }
    }
}

impl From<Frame> for vm::Frame<Machine> {
    fn from(frame: Frame) -> vm::Frame<Machine> {
        // SAFETY: it is a reference, which is given up here.
        unsafe { vm::Frame::from_pfn(&Machine, frame.into_pfn()) }
    }
}

/// Takes the heap and the kernel's own page table into use, when [`ram::init`] has run.
pub fn init(platform: &Platform) {
    heap::init();
    kernel_space::init(platform);
    asid::init();
    stack::init();
    commit::on_shortage(|| {
        heap::drain();
        stack::drain();
    });
}
