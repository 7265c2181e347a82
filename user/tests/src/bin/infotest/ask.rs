//! Queries about processes, their regions, and the machine's events.

use abi::{Event, MemInfoFlags, PAGE_SIZE, ProcInfo, RegionInfo, TableEntry};
use harness::Expect;
use ulib::mem::{self, Mapping};
use ulib::string::String;
use ulib::{inspect, sys};

/// Tolerance for events caused by other processes.
pub(crate) const NOISE: u64 = 64;

/// This process's record.
pub(crate) fn own() -> Result<ProcInfo, String> {
    inspect::process(sys::getpid() as i32).or_fail("query this process")
}

/// The region of a process that contains an address.
pub(crate) fn region(pid: i32, address: usize) -> Result<RegionInfo, String> {
    let mut regions = inspect::regions(pid).or_fail("list regions")?;
    let address = address as u64;
    regions
        .find(|region| region.start <= address && address < region.end)
        .ok_or_else(|| ulib::format!("expected a region of process {pid} at {address:#x}"))
}

/// The region of a mapping of this process.
pub(crate) fn own_region(memory: &Mapping) -> Result<RegionInfo, String> {
    region(sys::getpid() as i32, memory.as_ptr() as usize)
}

/// Writes to the first pages of a mapping.
pub(crate) fn touch(memory: &mut Mapping, pages: usize) {
    memory
        .iter_mut()
        .step_by(PAGE_SIZE)
        .take(pages)
        .for_each(|byte| *byte += 1);
}

/// The count of an event since boot.
pub(crate) fn count(event: Event) -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::empty()).or_fail("read the counts")?;
    Ok(info.events[event as usize])
}

/// The results of all three calls about a process, with valid buffers.
pub(crate) fn answers(pid: i32) -> [isize; 3] {
    let mut info = ProcInfo::default();
    let mut region = RegionInfo::default();
    let mut entry = TableEntry::default();
    // SAFETY: the buffers are ours.
    unsafe {
        [
            sys::procinfo(pid, &mut info, size_of::<ProcInfo>(), 0),
            sys::regions(pid, 0, &mut region, 1, size_of::<RegionInfo>()),
            sys::pagetable(pid, TableEntry::START as usize, &mut entry, 1),
        ]
    }
}
