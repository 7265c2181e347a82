//! Device drivers.

pub mod console;
pub mod disk;
pub mod plic;
pub mod power;
pub mod uart;

use crate::mm::user::UserRange;
use abi::Errno;

/// A device with a device file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Device {
    /// The terminal.
    Console,
}

/// The device with this major number.
pub fn by_major(major: i16) -> Option<Device> {
    (major == abi::CONSOLE).then_some(Device::Console)
}

impl Device {
    /// Reads from the device.
    pub fn read(self, to: UserRange) -> Result<usize, Errno> {
        match self {
            Device::Console => console::read(to),
        }
    }

    /// Writes to the device.
    pub fn write(self, from: UserRange) -> Result<usize, Errno> {
        match self {
            Device::Console => console::write(from),
        }
    }

    /// The terminal's foreground process group.
    pub fn foreground(self) -> i32 {
        match self {
            Device::Console => console::foreground(),
        }
    }

    /// Sets the terminal's foreground process group.
    pub fn set_foreground(self, group: i32) {
        match self {
            Device::Console => console::set_foreground(group),
        }
    }
}
