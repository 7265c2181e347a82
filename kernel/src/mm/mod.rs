//! Memory of the kernel: the crates `frames` and `kmalloc` with this machine's RAM and locks, the kernel's page
//! table, kernel stacks, user copies, ASIDs.

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

/// This machine's memory, for the crate `vm`. It has no state; `space` implements `vm`'s traits for it.
#[derive(Clone)]
pub struct Machine;

impl From<vm::Frame<Machine>> for Frame {
    fn from(frame: vm::Frame<Machine>) -> Frame {
        // SAFETY: the reference passes on. File objects are written through their frames only, and mapped
        // read-only.
        unsafe { Frame::from_pfn(frame.into_pfn()) }
    }
}

impl From<Frame> for vm::Frame<Machine> {
    fn from(frame: Frame) -> vm::Frame<Machine> {
        // SAFETY: the reference passes on.
        unsafe { vm::Frame::from_pfn(&Machine, frame.into_pfn()) }
    }
}

/// Initializes the heap, the kernel's page table, ASIDs and stacks; after [`ram::init`].
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
