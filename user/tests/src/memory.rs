//! Raw memory accesses, and memory accounting.

use super::{Expect, Kid, Outcome};
use abi::{MapFlags, MemInfoFlags, PAGE_SIZE, Prot};
use core::arch::asm;
use core::fmt::Display;
use ulib::io::{Read, Write};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{inspect, mem, println, process, sys};

/// Loads the byte at any address; an invalid access kills the process.
pub fn peek(address: usize) -> u8 {
    let byte: u8;
    // SAFETY: a load changes nothing, and one that is not allowed ends the process.
    unsafe { asm!("lb {}, 0({})", out(reg) byte, in(reg) address, options(readonly, nostack)) };
    byte
}

/// Stores a byte at any address; an invalid access kills the process.
///
/// # Safety
/// The byte, if mapped, is the caller's.
pub unsafe fn poke(address: usize, byte: u8) {
    // SAFETY: the caller's promise.
    unsafe { asm!("sb {}, 0({})", in(reg) byte, in(reg) address, options(nostack)) };
}

/// Stores a byte at the start of each page; an invalid access kills the process.
///
/// # Safety
/// The pages, as far as mapped, are the caller's.
pub unsafe fn fill(base: usize, pages: usize, byte: u8) {
    for page in 0..pages {
        // SAFETY: the caller's promise.
        unsafe { poke(base + page * PAGE_SIZE, byte) };
    }
}

/// Maps readable and writable pages; returns their address, or `None`. `kind` is
/// [`MapFlags::PRIVATE`] or [`MapFlags::SHARED`]. Allocates nothing on failure, for use when memory
/// is short.
pub fn map(pages: usize, kind: MapFlags) -> Option<usize> {
    let flags = (kind - MapFlags::FIXED) | MapFlags::ANONYMOUS;
    let prot = Prot::READ | Prot::WRITE;
    let length = pages.checked_mul(PAGE_SIZE)?;
    // SAFETY: without `FIXED` nothing is replaced.
    let base = unsafe { sys::mmap(0, length, prot.bits(), flags.bits(), -1, 0) };
    usize::try_from(base).ok()
}

/// Calls the function at an address; an invalid access kills the process.
///
/// # Safety
/// What is there, if executable, follows the C calling convention.
pub unsafe fn call(address: usize) -> usize {
    let answer: usize;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("jalr {}", in(reg) address, lateout("a0") answer, clobber_abi("C"));
    }
    answer
}

/// Free pages after shrinking all caches.
///
/// # Errors
/// The call fails.
pub fn available() -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::DROP_CACHES).or_fail("count free pages")?;
    Ok(info.free + info.cached)
}

/// Lets a child allocate and touch heap pages until none are left or it has `most`; returns how
/// many. It reports each through a pipe, since the kernel may kill it.
///
/// # Errors
/// The kernel refuses a pipe or a child.
pub fn take_pages(most: usize) -> Result<u64, String> {
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let taker = Kid::start(|| {
        for _ in 0..most {
            let Ok(page) = mem::grow(PAGE_SIZE) else {
                break;
            };
            // SAFETY: the kernel just gave this page to us.
            unsafe { poke(page as usize, 1) };
            if write.write_all(b"x").is_err() {
                break;
            }
        }
        0
    })?;
    drop(write);
    let mut got = 0;
    let mut buffer = [0; 512];
    loop {
        match read.read(&mut buffer).or_fail("count pages")? {
            0 => break,
            n => got += n as u64,
        }
    }
    taker.wait()?;
    Ok(got)
}

/// Runs `act` and checks that one process can get as many pages afterwards as before, as xv6's
/// `usertests` does. The caller has already touched all its own memory.
///
/// # Errors
/// It failed, or the numbers differ.
pub fn same_pages(what: impl Display, act: impl FnOnce() -> Outcome) -> Outcome {
    // Once before, to touch memory of this process.
    take_pages(1)?;
    let (own, before) = (own_pages()?, take_all()?);
    act()?;
    let (after, own_after) = (take_all()?, own_pages()?);
    println!("{before} pages for one process before {what}, {after} after");
    crate::expect_eq!(own_after, own, "pages of the caller, region by region");
    crate::expect_eq!(after, before, "pages that one process can get");
    Ok(())
}

/// All pages that one process can get. Caches are dropped first: in how many slabs the objects of the next process
/// lie would otherwise depend on which ones the CPUs have cached.
fn take_all() -> Result<u64, String> {
    available()?;
    take_pages(usize::MAX)
}

/// Start and resident pages of each of this process's regions.
fn own_pages() -> Result<Vec<(u64, u64)>, String> {
    let regions = inspect::regions(process::id()).or_fail("list the regions")?;
    Ok(regions
        .map(|region| (region.start, region.resident))
        .collect())
}

/// Whether strict accounting is on (boot argument `commit=strict`).
pub fn is_strict() -> bool {
    mem::info(MemInfoFlags::empty()).is_ok_and(|info| info.commit_limit > 0)
}

/// With strict accounting, pages that can still be committed.
///
/// # Errors
/// The call fails.
pub fn committable() -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::DROP_CACHES).or_fail("count committed pages")?;
    Ok(info.commit_limit.saturating_sub(info.committed))
}

/// Exit status of a process that allocates and touches memory without end: killed, or refused under
/// strict accounting.
pub fn hog_status() -> i32 {
    if is_strict() { 0 } else { abi::KILLED }
}

/// Pages taken since `before` were available; negative if there are more now.
///
/// # Errors
/// The call fails.
pub fn taken_since(before: u64) -> Result<i64, String> {
    Ok(before as i64 - available()? as i64)
}

/// The pages that `act` takes until undone. It runs twice and is counted the second time: the first
/// run also touches pages of this program.
///
/// # Errors
/// It fails, or the kernel does not say how many pages there are.
pub fn cost<T>(
    mut act: impl FnMut() -> Result<T, String>,
    mut undo: impl FnMut(T) -> Result<(), String>,
) -> Result<i64, String> {
    let mut taken = 0;
    for _ in 0..2 {
        let before = available()?;
        let made = act()?;
        taken = taken_since(before)?;
        undo(made)?;
    }
    Ok(taken)
}

/// Aligns the break, grows the heap by this many pages and writes to each; returns their address.
///
/// # Errors
/// The kernel refuses.
pub fn grow_touched(pages: usize) -> Result<usize, String> {
    let top = mem::grow(0).or_fail("query the break")? as usize;
    mem::grow(top.next_multiple_of(PAGE_SIZE) - top).or_fail("grow the heap to a page's start")?;
    let base = mem::grow(pages * PAGE_SIZE).or_fail("grow the heap")? as usize;
    // SAFETY: the kernel just gave these pages to us.
    unsafe { fill(base, pages, 1) };
    Ok(base)
}

/// Takes memory until only about `leave` pages are free; returns how many it took. If `leave` is
/// small the kernel may kill this process.
///
/// # Errors
/// The call fails.
pub fn fill_memory(leave: u64) -> Result<u64, String> {
    let mut taken = 0;
    loop {
        let left = match is_strict() {
            true => committable()?,
            false => available()?,
        };
        let surplus = left.saturating_sub(leave);
        if surplus == 0 {
            return Ok(taken);
        }
        // In steps, since page tables take pages too.
        let pages = surplus.div_ceil(2);
        grow_touched(pages as usize)?;
        taken += pages;
    }
}
