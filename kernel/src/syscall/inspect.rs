//! System calls that list processes and their memory.
//!
//! A counted reference keeps the process while it is inspected; it may exit meanwhile. Its space is locked while
//! records are collected and unlocked while they are copied to the caller, whose space it may be. So a long
//! listing consists of batches, between which the space may change.

use crate::mm::Machine;
use crate::mm::user::UserRange;
use crate::proc::{Name, Process, TABLE, state_of};
use crate::sched;
use crate::space::Space;
use abi::{
    Arguments, Errno, PAGE_SIZE, ProcInfo, ProcInfoFlags, RegionInfo, RegionUse, TableEntry,
};
use fallible::KArc;
use vm::{RegionKind, Usage};
use zerocopy::{Immutable, IntoBytes};

/// Records that are collected under one hold of the lock.
const BATCH: usize = 8;

/// The process with this PID or, with `NEXT`, the next higher one, and its parent's PID.
fn find(pid: i32, flags: ProcInfoFlags) -> Result<(KArc<Process>, i32), Errno> {
    let table = TABLE.lock();
    let (process, parent) = table.from(pid).ok_or(Errno::NoProcess)?;
    if process.pid != pid && !flags.contains(ProcInfoFlags::NEXT) {
        return Err(Errno::NoProcess);
    }
    Ok((process.clone(), parent.unwrap_or(0)))
}

#[inline(never)]
pub fn procinfo(arguments: &Arguments) -> Result<u64, Errno> {
    let flags = arguments.flags::<3, ProcInfoFlags>()?;
    let pid = arguments.int::<0>();
    let info = if flags.contains(ProcInfoFlags::KERNEL) {
        about_kernel(pid).ok_or(Errno::NoProcess)?
    } else {
        let (process, parent) = find(pid, flags)?;
        proc_info(&process, parent)
    };
    let bytes = info.as_bytes();
    let size = usize::try_from(arguments.address::<2>()).unwrap_or(usize::MAX);
    let part = bytes.get(..size.min(bytes.len())).unwrap_or(bytes);
    UserRange::new(arguments.address::<1>(), part.len())?.write(part)?;
    Ok(bytes.len() as u64)
}

/// The kernel thread with this ID.
#[inline(never)]
fn about_kernel(pid: i32) -> Option<ProcInfo> {
    let (_, kernel) = sched::kernel_threads().find(|(number, _)| *number == pid)?;
    Some(ProcInfo {
        version: ProcInfo::VERSION,
        pid,
        state: state_of(kernel.thread().state()) as u32,
        name: Name::new(kernel.name().as_bytes()).bytes(),
        ..ProcInfo::default()
    })
}

#[inline(never)]
fn proc_info(process: &Process, parent: i32) -> ProcInfo {
    let mut info = ProcInfo {
        version: ProcInfo::VERSION,
        pid: process.pid,
        parent,
        state: process.state() as u32,
        name: process.name().bytes(),
        objects: process.resource_pages() as u64,
        ..ProcInfo::default()
    };
    if let Some(space) = process.mm().lock().as_ref() {
        let stats = space.stats();
        let usage = space
            .regions()
            .map(|region| space.usage(region.range()))
            .fold(Usage::default(), Usage::and);
        info.regions = stats.regions as u64;
        info.size = stats.size as u64;
        info.resident = usage.resident as u64;
        info.shared = usage.shared as u64;
        info.zero = usage.zero as u64;
        info.page_tables = stats.page_tables as u64;
        info.committed = space.committed();
    }
    info
}

#[inline(never)]
pub fn regions(arguments: &Arguments) -> Result<u64, Errno> {
    let (process, _) = find(arguments.int::<0>(), ProcInfoFlags::empty())?;
    let size = arguments.address::<4>();
    if size == 0 {
        return Err(Errno::Invalid);
    }
    let to = Records::new(arguments.address::<2>(), arguments.length::<3>()?, size)?;
    let mut from = arguments.address::<1>();
    to.fill(|part: &mut [RegionInfo]| {
        let space = process.mm().lock();
        let Some(space) = space.as_ref() else {
            return 0; // it has ended
        };
        let mut count = 0;
        for (place, region) in part.iter_mut().zip(space.regions_from(from)) {
            *place = region_info(space, region);
            from = region.end();
            count += 1;
        }
        count
    })
}

#[inline(never)]
fn region_info(space: &Space, region: &vm::Region<Machine>) -> RegionInfo {
    let usage = space.usage(region.range());
    let (inode, offset) = region
        .file()
        .map_or((0, 0), |(file, offset)| (file.inum(), offset));
    let kind = match region.kind() {
        RegionKind::Text => RegionUse::Text,
        RegionKind::Data => RegionUse::Data,
        RegionKind::Heap => RegionUse::Heap,
        RegionKind::Stack => RegionUse::Stack,
        RegionKind::Mapping if region.is_shared() => RegionUse::Shared,
        RegionKind::Mapping if region.file().is_some() => RegionUse::File,
        RegionKind::Mapping => RegionUse::Private,
    };
    RegionInfo {
        start: region.start(),
        end: region.end(),
        resident: usage.resident as u64,
        shared: usage.shared as u64,
        zero: usage.zero as u64,
        large: usage.large as u64,
        offset,
        inode,
        prot: region.prot().bits(),
        kind: kind as u32,
        reserved: 0,
    }
}

#[inline(never)]
pub fn pagetable(arguments: &Arguments) -> Result<u64, Errno> {
    let (process, _) = find(arguments.int::<0>(), ProcInfoFlags::empty())?;
    let size = size_of::<TableEntry>() as u64;
    let to = Records::new(arguments.address::<2>(), arguments.length::<3>()?, size)?;
    let mut after = arguments.address::<1>();
    to.fill(|part: &mut [TableEntry]| {
        let space = process.mm().lock();
        let Some(space) = space.as_ref() else {
            return 0;
        };
        let mut count = 0;
        for (place, entry) in part.iter_mut().zip(space.table_entries(after)) {
            *place = entry;
            after = entry.place;
            count += 1;
        }
        count
    })
}

/// The caller's array of records.
struct Records {
    to: UserRange,
    count: usize,
    /// Stride in bytes.
    size: usize,
}

impl Records {
    fn new(start: u64, count: usize, size: u64) -> Result<Records, Errno> {
        let to = UserRange::array(start, count, size)?;
        let size = size as usize;
        Ok(Records { to, count, size })
    }

    /// Stores records until the array is full or there are no more. `next` fills a batch and returns the number of
    /// records, fewer than its length at the end.
    fn fill<T: IntoBytes + Immutable + Default + Copy>(
        &self,
        mut next: impl FnMut(&mut [T]) -> usize,
    ) -> Result<u64, Errno> {
        let mut done = 0;
        while done < self.count {
            let mut records = [T::default(); BATCH];
            let wanted = BATCH.min(self.count - done);
            let part = records.get_mut(..wanted).unwrap_or_default();
            let count = next(part);
            for record in part.iter().take(count) {
                let bytes = record.as_bytes();
                let bytes = bytes.get(..self.size).unwrap_or(bytes);
                self.to.part(done * self.size, bytes.len()).write(bytes)?;
                done += 1;
            }
            if count < wanted {
                break;
            }
        }
        Ok(done as u64)
    }
}

const _: () = assert!(BATCH * size_of::<RegionInfo>() <= PAGE_SIZE / 4);
