//! System calls on memory.

use crate::arch::paging;
use crate::inspect::meminfo;
use crate::mm::user::UserRange;
use crate::proc::{self, TestObjects};
use crate::space::Space;
use abi::{Advice, Arguments, Errno, MapFlags, MemInfo, MemInfoFlags, PAGE_SIZE, Prot, RemapFlags};
use zerocopy::IntoBytes;

fn with_space<T>(act: impl FnOnce(&mut Space) -> Result<T, vm::Error>) -> Result<T, Errno> {
    let process = proc::current();
    let mut space = process.mm().lock();
    Ok(act(space.as_mut().ok_or(Errno::NoMemory)?)?)
}

pub fn sbrk(arguments: &Arguments) -> Result<u64, Errno> {
    with_space(|space| space.sbrk(arguments.address::<0>() as i64))
}

pub fn mmap(arguments: &Arguments) -> Result<u64, Errno> {
    let flags = arguments.flags::<3, MapFlags>()?;
    // Without flags it is the course's `mmap`, which has no protection argument.
    let prot = match flags.is_empty() {
        true => Prot::empty(),
        false => arguments.flags::<2, Prot>()?,
    };
    let (hint, length) = (arguments.address::<0>(), arguments.address::<1>());
    with_space(|space| space.mmap(hint, length, prot, flags))
}

pub fn munmap(arguments: &Arguments) -> Result<u64, Errno> {
    let (start, length) = (arguments.address::<0>(), arguments.address::<1>());
    with_space(|space| space.munmap(start, length))?;
    Ok(0)
}

pub fn mprotect(arguments: &Arguments) -> Result<u64, Errno> {
    let prot = arguments.flags::<2, Prot>()?;
    let (start, length) = (arguments.address::<0>(), arguments.address::<1>());
    with_space(|space| space.mprotect(start, length, prot))?;
    if prot.contains(Prot::EXEC) {
        // Data written before may be executed now without a page fault.
        paging::fence_i();
    }
    Ok(0)
}

pub fn madvise(arguments: &Arguments) -> Result<u64, Errno> {
    let advice = Advice::from_number(arguments.int::<2>() as u32).ok_or(Errno::Invalid)?;
    let (start, length) = (arguments.address::<0>(), arguments.address::<1>());
    with_space(|space| space.madvise(start, length, advice))?;
    Ok(0)
}

pub fn mremap(arguments: &Arguments) -> Result<u64, Errno> {
    let flags = arguments.flags::<3, RemapFlags>()?;
    let may_move = flags.contains(RemapFlags::MAYMOVE);
    let (start, old) = (arguments.address::<0>(), arguments.address::<1>());
    with_space(|space| space.mremap(start, old, arguments.address::<2>(), may_move))
}

/// In batches, since the space must be unlocked for the copy to user memory.
pub fn mincore(arguments: &Arguments) -> Result<u64, Errno> {
    const BATCH: usize = 512;
    let (start, length) = (arguments.address::<0>(), arguments.address::<1>());
    if length > abi::USER_TOP {
        return Err(Errno::Invalid);
    }
    let pages = (length as usize).div_ceil(PAGE_SIZE);
    let answer = UserRange::new(arguments.address::<2>(), pages)?;
    let mut done = 0;
    loop {
        let mut vector = [0; BATCH];
        let count = BATCH.min(pages - done);
        let mut places = vector.iter_mut();
        let from = start.saturating_add((done * PAGE_SIZE) as u64);
        with_space(|space| {
            space.mincore(from, (count * PAGE_SIZE) as u64, |here| {
                if let Some(place) = places.next() {
                    *place = u8::from(here);
                }
            })
        })?;
        let vector = vector.get(..count).unwrap_or_default();
        answer.part(done, count).write(vector)?;
        done += count;
        if done == pages {
            return Ok(0);
        }
    }
}

/// The course's test call. C declares the size as `uint`.
pub fn kmalloc(arguments: &Arguments) -> Result<u64, Errno> {
    let bytes = arguments.int::<0>() as u32 as usize;
    let address = with_objects(|objects| objects.allocate(bytes))?;
    Ok(address as u64)
}

pub fn kfree(arguments: &Arguments) -> Result<u64, Errno> {
    let address = arguments.address::<0>() as usize;
    with_objects(|objects| objects.free(address))?;
    Ok(0)
}

fn with_objects<T>(act: impl FnOnce(&mut TestObjects) -> Result<T, Errno>) -> Result<T, Errno> {
    let process = proc::current();
    let mut resources = process.resources.lock();
    let result = act(&mut resources.objects);
    process.set_resource_pages(resources.pages());
    result
}

// Its numbers would make the stack frame of all calls larger.
#[inline(never)]
pub fn meminfo(arguments: &Arguments) -> Result<u64, Errno> {
    let size = arguments.address::<1>();
    let flags = arguments.flags::<2, MemInfoFlags>()?;
    let info = meminfo::collect(flags)?;
    let bytes = info.as_bytes();
    let count = usize::try_from(size).unwrap_or(usize::MAX).min(bytes.len());
    let part = bytes.get(..count).unwrap_or_default();
    UserRange::new(arguments.address::<0>(), count)?.write(part)?;
    Ok(size_of::<MemInfo>() as u64)
}
