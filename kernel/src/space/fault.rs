//! The one way in which a page fault is mended, whether the program or the kernel's copy routines
//! touched the address.

use super::mm::Mm;
use crate::arch::{hart, paging};
use abi::Event;
use vm::{Access, Fault, FaultError};

/// Why a fault could not be mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The address space has nothing there, or not with this right.
    Refused,
    /// Memory has run out.
    OutOfMemory,
    /// The disk gave an error.
    Io,
}

/// Makes `address` accessible in a space; `Ok` means that the access may be tried again.
pub fn resolve(mm: &Mm, address: u64, access: Access) -> Result<(), Denied> {
    hart::note(match access {
        Access::Read => Event::FaultRead,
        Access::Write => Event::FaultWrite,
        Access::Execute => Event::FaultExecute,
    });
    let mended = try_resolve(mm, address, access);
    match mended {
        Ok(()) => {}
        Err(Denied::OutOfMemory) => hart::note(Event::FaultStarved),
        Err(_) => hart::note(Event::FaultRefused),
    }
    mended
}

fn try_resolve(mm: &Mm, address: u64, access: Access) -> Result<(), Denied> {
    // Keeps the page that was needed in memory until the space has it.
    let mut held = None;
    loop {
        let outcome = match mm.lock().as_mut() {
            Some(space) => space.fault(address, access),
            None => return Err(Denied::Refused),
        };
        match outcome {
            Ok(Fault::Done) => {
                drop(held);
                // A page that is read first may be run next, without another fault.
                if access != Access::Write {
                    paging::fence_i();
                }
                return Ok(());
            }
            Ok(Fault::NeedPage { file, index }) => {
                // The address space is not locked while the disk is read.
                let page = file.page(index).map_err(|error| match error {
                    abi::Errno::NoMemory => Denied::OutOfMemory,
                    _ => Denied::Io,
                })?;
                held = Some(page.ok_or(Denied::Refused)?);
            }
            Err(FaultError::Refused) => return Err(Denied::Refused),
            Err(FaultError::OutOfMemory) => return Err(Denied::OutOfMemory),
        }
    }
}
