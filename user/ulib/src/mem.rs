//! Memory from the kernel, and memory statistics.

use crate::io::{Result, checked};
use crate::sys;
use abi::{Advice, MapFlags, MemInfo, MemInfoFlags, Prot, RemapFlags};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// Raises the break by `bytes`; returns the old break. The new bytes are zero; pages are allocated
/// on touch.
///
/// # Errors
/// The kernel refuses.
pub fn grow(bytes: usize) -> Result<*mut u8> {
    let bytes = isize::try_from(bytes).map_err(|_| crate::io::Error::InvalidInput)?;
    // SAFETY: growing takes nothing away.
    checked(unsafe { sys::sbrk(bytes) }).map(|old| old as *mut u8)
}

/// Moves the break by `bytes`, down if negative; returns the old break.
///
/// # Errors
/// The kernel refuses.
///
/// # Safety
/// Nothing above the new break is in use any more, the allocator's memory included.
pub unsafe fn sbrk(bytes: isize) -> Result<*mut u8> {
    // SAFETY: the caller's promise.
    checked(unsafe { sys::sbrk(bytes) }).map(|old| old as *mut u8)
}

/// Maps memory; returns its address.
///
/// # Errors
/// The kernel refuses.
///
/// # Safety
/// With [`MapFlags::FIXED`], nothing that is still in use lies in the range.
pub unsafe fn mmap(
    hint: usize,
    length: usize,
    prot: Prot,
    flags: MapFlags,
    fd: i32,
    offset: usize,
) -> Result<NonNull<u8>> {
    // SAFETY: the caller's promise.
    let base = unsafe { sys::mmap(hint, length, prot.bits(), flags.bits(), fd, offset) };
    NonNull::new(checked(base)? as *mut u8).ok_or(crate::io::Error::Other)
}

/// Unmaps memory.
///
/// # Errors
/// Nothing is mapped there.
///
/// # Safety
/// Nothing in the range is in use any more.
pub unsafe fn munmap(base: *mut u8, length: usize) -> Result<()> {
    // SAFETY: the caller's promise.
    checked(unsafe { sys::munmap(base as usize, length) }).map(drop)
}

/// Changes the protection of pages.
///
/// # Errors
/// Not all of the range is mapped, or the kernel is out of memory.
///
/// # Safety
/// Nothing still in use needs a permission that is removed.
pub unsafe fn mprotect(base: *mut u8, length: usize, prot: Prot) -> Result<()> {
    // SAFETY: the caller's promise.
    checked(unsafe { sys::mprotect(base as usize, length, prot.bits()) }).map(drop)
}

/// Advises the kernel about the use of pages.
///
/// # Errors
/// Not all of the range is mapped, or the advice does not fit it.
///
/// # Safety
/// With [`Advice::DontNeed`] and [`Advice::Free`], the contents of the range are not in use.
pub unsafe fn madvise(base: *mut u8, length: usize, advice: Advice) -> Result<()> {
    // SAFETY: the caller's promise.
    checked(unsafe { sys::madvise(base as usize, length, advice as u32) }).map(drop)
}

/// Resizes a mapping; returns its address.
///
/// # Errors
/// There is no room, or the range is not one mapping.
///
/// # Safety
/// Nothing still in use lies past the new length; with [`RemapFlags::MAYMOVE`], nothing refers to
/// the old address afterwards.
pub unsafe fn mremap(
    base: *mut u8,
    old: usize,
    new: usize,
    flags: RemapFlags,
) -> Result<NonNull<u8>> {
    // SAFETY: the caller's promise.
    let base = unsafe { sys::mremap(base as usize, old, new, flags.bits()) };
    NonNull::new(checked(base)? as *mut u8).ok_or(crate::io::Error::Other)
}

/// Stores in `told` for each page from `base` on whether it is resident (1) or not (0).
///
/// # Errors
/// Not all of these pages are mapped.
pub fn mincore(base: *const u8, told: &mut [u8]) -> Result<()> {
    let length = told.len().saturating_mul(abi::PAGE_SIZE);
    // SAFETY: one byte a page, and the bytes are ours to fill.
    checked(unsafe { sys::mincore(base as usize, length, told.as_mut_ptr()) }).map(drop)
}

/// An anonymous mapping, unmapped on drop.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes of zeroed memory at an address of the kernel's choice.
    ///
    /// # Errors
    /// The length is zero, or the kernel refuses.
    pub fn anonymous(length: usize) -> Result<Mapping> {
        let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS;
        // SAFETY: without `FIXED` nothing is replaced.
        let base = unsafe { mmap(0, length, Prot::READ | Prot::WRITE, flags, -1, 0) }?;
        Ok(Mapping { base, length })
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the mapping is this value's own, readable and initialised with zeroes.
        unsafe { core::slice::from_raw_parts(self.base.as_ptr(), self.length) }
    }
}

impl DerefMut for Mapping {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, writable, and borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.base.as_ptr(), self.length) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: borrows of the memory have ended with this value.
        let _ = unsafe { munmap(self.base.as_ptr(), self.length) };
    }
}

/// The machine's memory statistics.
///
/// # Errors
/// The kernel's layout differs.
pub fn info(flags: MemInfoFlags) -> Result<MemInfo> {
    let mut info = MemInfo::default();
    // SAFETY: `info` is ours to fill.
    checked(unsafe { sys::meminfo(&mut info, size_of::<MemInfo>(), flags.bits()) })?;
    if info.version == 0 {
        return Err(crate::io::Error::InvalidData);
    }
    Ok(info)
}
