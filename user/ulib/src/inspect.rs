//! Information about processes, their regions and page tables.

use crate::io::{Error, Result, checked};
use crate::sys;
use abi::{ProcInfo, ProcInfoFlags, RegionInfo, TableEntry};

/// Records per call.
const AT_ONCE: usize = 16;

/// The process with this ID.
///
/// # Errors
/// There is none, or the kernel's layout differs.
pub fn process(pid: i32) -> Result<ProcInfo> {
    query(pid, ProcInfoFlags::empty())
}

fn query(pid: i32, flags: ProcInfoFlags) -> Result<ProcInfo> {
    let mut info = ProcInfo::default();
    // SAFETY: `info` is ours to fill.
    checked(unsafe { sys::procinfo(pid, &mut info, size_of::<ProcInfo>(), flags.bits()) })?;
    match info.version {
        0 => Err(Error::InvalidData),
        _ => Ok(info),
    }
}

/// The kernel threads.
pub fn kernel_threads() -> impl Iterator<Item = ProcInfo> {
    let numbers = (i32::MIN..=0).rev();
    numbers.map_while(|number| query(number, ProcInfoFlags::KERNEL).ok())
}

/// All processes, in order of ID. Those that start or exit meanwhile may be missing.
pub fn processes() -> impl Iterator<Item = ProcInfo> {
    let mut next = Some(0);
    core::iter::from_fn(move || {
        let info = query(next?, ProcInfoFlags::NEXT).ok()?;
        next = info.pid.checked_add(1);
        Some(info)
    })
}

/// The regions of a process, in order of address, read piece by piece; the listing ends if the
/// process exits.
///
/// # Errors
/// There is no such process.
pub fn regions(pid: i32) -> Result<Pieces<RegionInfo>> {
    Pieces::new(pid, 0)
}

/// The page-table entries in use of a process, each before those of the table it points to.
///
/// # Errors
/// There is no such process.
pub fn page_table(pid: i32) -> Result<Pieces<TableEntry>> {
    Pieces::new(pid, TableEntry::START)
}

/// A record of a listing.
pub trait Record: Copy + Default {
    /// The cursor to continue after this record.
    fn cursor(&self) -> u64;

    /// Calls the kernel; returns the number of records stored, or -1.
    fn ask(pid: i32, after: u64, to: &mut [Self]) -> isize;
}

impl Record for RegionInfo {
    fn cursor(&self) -> u64 {
        self.end
    }

    fn ask(pid: i32, after: u64, to: &mut [Self]) -> isize {
        let size = size_of::<RegionInfo>();
        // SAFETY: the records are ours to fill.
        unsafe { sys::regions(pid, after as usize, to.as_mut_ptr(), to.len(), size) }
    }
}

impl Record for TableEntry {
    fn cursor(&self) -> u64 {
        self.place
    }

    fn ask(pid: i32, after: u64, to: &mut [Self]) -> isize {
        // SAFETY: the records are ours to fill.
        unsafe { sys::pagetable(pid, after as usize, to.as_mut_ptr(), to.len()) }
    }
}

/// A listing that is read in pieces.
#[derive(Debug)]
pub struct Pieces<T> {
    pid: i32,
    after: u64,
    piece: [T; AT_ONCE],
    next: usize,
    end: usize,
}

impl<T: Record> Pieces<T> {
    fn new(pid: i32, after: u64) -> Result<Pieces<T>> {
        let mut pieces = Pieces {
            pid,
            after,
            piece: [T::default(); AT_ONCE],
            next: 0,
            end: 0,
        };
        pieces.read()?;
        Ok(pieces)
    }

    fn read(&mut self) -> Result<()> {
        self.next = 0;
        self.end = checked(T::ask(self.pid, self.after, &mut self.piece))?.min(AT_ONCE);
        Ok(())
    }
}

impl<T: Record> Iterator for Pieces<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.next == AT_ONCE {
            self.end = 0;
            self.read().ok()?;
        }
        let record = self.piece[..self.end].get(self.next).copied()?;
        self.next += 1;
        self.after = record.cursor();
        Some(record)
    }
}
