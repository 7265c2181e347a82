//! Page faults of programs and of the kernel's user copies.

use super::mm::Mm;
use crate::arch::{hart, paging};
use abi::Event;
use vm::{Access, Fault, FaultError};

/// Why a fault was not resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// No region, or a region that does not allow the access.
    Refused,
    /// Out of memory.
    OutOfMemory,
    /// Disk error.
    Io,
}

/// Resolves a fault; after `Ok` the access can be retried.
pub fn resolve(mm: &Mm, address: u64, access: Access) -> Result<(), Denied> {
    hart::note(match access {
        Access::Read => Event::FaultRead,
        Access::Write => Event::FaultWrite,
        Access::Execute => Event::FaultExecute,
    });
    let resolved = try_resolve(mm, address, access);
    match resolved {
        Ok(()) => {}
        Err(Denied::OutOfMemory) => hart::note(Event::FaultStarved),
        Err(_) => hart::note(Event::FaultRefused),
    }
    resolved
}

fn try_resolve(mm: &Mm, address: u64, access: Access) -> Result<(), Denied> {
    // A reference to the page that was read, until it is mapped.
    let mut held = None;
    loop {
        let outcome = match mm.lock().as_mut() {
            Some(space) => space.fault(address, access),
            None => return Err(Denied::Refused),
        };
        match outcome {
            Ok(Fault::Done) => {
                drop(held);
                // The page may be executed next without another fault.
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
