//! Raw system calls: integers and pointers in, -1 on any error, as in C.
//!
//! A call is safe if the kernel at most reads the program's memory, whatever address it is given;
//! calls that write or unmap memory are unsafe.

use abi::{MemInfo, ProcInfo, RegionInfo, Stat, Sys, TableEntry};
use core::arch::asm;

/// Any system call, known to the kernel or not.
///
/// # Safety
/// Memory that the call writes or unmaps must be the caller's to lose.
pub unsafe fn call(number: usize, args: [usize; 6]) -> isize {
    let result: isize;
    // SAFETY: the kernel keeps every register but `a0`; what it does to memory is the caller's
    // promise.
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") args[0] => result,
            in("a1") args[1],
            in("a2") args[2],
            in("a3") args[3],
            in("a4") args[4],
            in("a5") args[5],
            options(nostack),
        );
    }
    result
}

/// # Safety
/// As for [`call`].
unsafe fn call3(number: Sys, a: usize, b: usize, c: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call(number as usize, [a, b, c, 0, 0, 0]) }
}

/// Copies this process; 0 in the child.
pub fn fork() -> isize {
    // SAFETY: the child gets a copy of its own; nothing of the caller's changes.
    unsafe { call3(Sys::Fork, 0, 0, 0) }
}

/// Ends this process.
pub fn exit(status: i32) -> ! {
    // SAFETY: nothing of this program runs afterwards.
    unsafe { call3(Sys::Exit, status as usize, 0, 0) };
    unreachable!("exit returned")
}

/// Reaps a child; returns its process ID.
///
/// # Safety
/// `status` is null, or what it points to may be overwritten.
pub unsafe fn wait(status: *mut i32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Wait, status as usize, 0, 0) }
}

/// Creates a pipe and stores its read end and write end.
///
/// # Safety
/// What `ends` points to may be overwritten.
pub unsafe fn pipe(ends: *mut [i32; 2]) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Pipe, ends as usize, 0, 0) }
}

/// Reads up to `n` bytes.
///
/// # Safety
/// The `n` bytes at `buffer` may be overwritten.
pub unsafe fn read(fd: i32, buffer: *mut u8, n: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Read, fd as usize, buffer as usize, n) }
}

/// Writes up to `n` bytes.
pub fn write(fd: i32, buffer: *const u8, n: usize) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Write, fd as usize, buffer as usize, n) }
}

/// Kills a process.
pub fn kill(pid: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Kill, pid as usize, 0, 0) }
}

/// Executes another program. Returns only on error.
pub fn exec(path: *const u8, argv: *const *const u8) -> isize {
    // SAFETY: the kernel only reads, or nothing of this program runs afterwards.
    unsafe { call3(Sys::Exec, path as usize, argv as usize, 0) }
}

/// Stores the metadata of an open file.
///
/// # Safety
/// What `stat` points to may be overwritten.
pub unsafe fn fstat(fd: i32, stat: *mut Stat) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Fstat, fd as usize, stat as usize, 0) }
}

/// Changes the current directory.
pub fn chdir(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Chdir, path as usize, 0, 0) }
}

/// The error number of the process's last failed call.
pub fn errno() -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Errno, 0, 0, 0) }
}

/// Duplicates a file descriptor to the lowest free one.
pub fn dup(fd: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Dup, fd as usize, 0, 0) }
}

/// This process's ID.
pub fn getpid() -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Getpid, 0, 0, 0) }
}

/// Moves the break by `bytes`; returns the old break.
///
/// # Safety
/// If `bytes` is negative, nothing that is still in use lies above the new break.
pub unsafe fn sbrk(bytes: isize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Sbrk, bytes as usize, 0, 0) }
}

/// Sleeps for a number of ticks.
pub fn sleep(ticks: usize) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Sleep, ticks, 0, 0) }
}

/// Ticks since boot.
pub fn uptime() -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Uptime, 0, 0, 0) }
}

/// Opens a file; returns its descriptor.
pub fn open(path: *const u8, flags: u32) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Open, path as usize, flags as usize, 0) }
}

/// Creates a device node.
pub fn mknod(path: *const u8, major: i16, minor: i16) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Mknod, path as usize, major as usize, minor as usize) }
}

/// Removes a name.
pub fn unlink(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Unlink, path as usize, 0, 0) }
}

/// Adds a name for a file.
pub fn link(old: *const u8, new: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Link, old as usize, new as usize, 0) }
}

/// Creates a directory.
pub fn mkdir(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Mkdir, path as usize, 0, 0) }
}

/// Closes an open file.
pub fn close(fd: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Close, fd as usize, 0, 0) }
}

/// Allocates a kernel object; returns its address, which is only good for [`kfree`].
pub fn kmalloc(bytes: usize) -> isize {
    // SAFETY: the object is outside this program's memory.
    unsafe { call3(Sys::Kmalloc, bytes, 0, 0) }
}

/// Frees a kernel object.
pub fn kfree(object: isize) -> isize {
    // SAFETY: the object is outside this program's memory.
    unsafe { call3(Sys::Kfree, object as usize, 0, 0) }
}

/// Maps memory; returns its address.
///
/// # Safety
/// With `MapFlags::FIXED`, what lies at `hint` is the caller's to lose.
pub unsafe fn mmap(
    hint: usize,
    length: usize,
    prot: u32,
    flags: u32,
    fd: i32,
    offset: usize,
) -> isize {
    let args = [
        hint,
        length,
        prot as usize,
        flags as usize,
        fd as usize,
        offset,
    ];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Mmap as usize, args) }
}

/// Unmaps memory.
///
/// # Safety
/// Nothing that is still in use lies in the range.
pub unsafe fn munmap(address: usize, length: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Munmap, address, length, 0) }
}

/// Changes the protection of pages.
///
/// # Safety
/// Nothing still in use needs a permission that is removed.
pub unsafe fn mprotect(address: usize, length: usize, prot: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Mprotect, address, length, prot as usize) }
}

/// Advises the kernel about the use of pages.
///
/// # Safety
/// With `Advice::DontNeed` and `Advice::Free`, what the range holds is the caller's to lose.
pub unsafe fn madvise(address: usize, length: usize, advice: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Madvise, address, length, advice as usize) }
}

/// Resizes a mapping; returns its address.
///
/// # Safety
/// Nothing still in use lies past the new length; with `RemapFlags::MAYMOVE`, nothing refers to the
/// old address afterwards.
pub unsafe fn mremap(address: usize, old: usize, new: usize, flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe {
        call(
            Sys::Mremap as usize,
            [address, old, new, flags as usize, 0, 0],
        )
    }
}

/// Stores for each page of a range whether it is resident.
///
/// # Safety
/// As many bytes at `told` as the range has pages may be overwritten.
pub unsafe fn mincore(address: usize, length: usize, told: *mut u8) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Mincore, address, length, told as usize) }
}

/// Stores the first `size` bytes of the memory statistics.
///
/// # Safety
/// The `size` bytes at `info` may be overwritten.
pub unsafe fn meminfo(info: *mut MemInfo, size: usize, flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Meminfo, info as usize, size, flags as usize) }
}

/// Stores the first `size` bytes of a process's record.
///
/// # Safety
/// The `size` bytes at `info` may be overwritten.
pub unsafe fn procinfo(pid: i32, info: *mut ProcInfo, size: usize, flags: u32) -> isize {
    let args = [pid as usize, info as usize, size, flags as usize, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Procinfo as usize, args) }
}

/// Stores up to `count` of a process's regions that end above `from`, `size` bytes apart; returns
/// how many.
///
/// # Safety
/// The `count` times `size` bytes at `to` may be overwritten.
pub unsafe fn regions(
    pid: i32,
    from: usize,
    to: *mut RegionInfo,
    count: usize,
    size: usize,
) -> isize {
    let args = [pid as usize, from, to as usize, count, size, 0];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Regions as usize, args) }
}

/// Stores up to `count` page-table entries of a process after the place `after`; returns how many.
///
/// # Safety
/// The `count` records at `to` may be overwritten.
pub unsafe fn pagetable(pid: i32, after: usize, to: *mut TableEntry, count: usize) -> isize {
    let args = [pid as usize, after, to as usize, count, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Pagetable as usize, args) }
}

/// Moves a process into a group.
pub fn setpgid(pid: i32, group: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Setpgid, pid as usize, group as usize, 0) }
}

/// A process's group.
pub fn getpgid(pid: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Getpgid, pid as usize, 0, 0) }
}

/// Sets the terminal's foreground group.
pub fn tcsetpgrp(fd: i32, group: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Tcsetpgrp, fd as usize, group as usize, 0) }
}

/// The terminal's foreground group.
pub fn tcgetpgrp(fd: i32) -> isize {
    // SAFETY: touches no user memory.
    unsafe { call3(Sys::Tcgetpgrp, fd as usize, 0, 0) }
}

/// Waits until all changes of a file are on the disk.
pub fn fsync(fd: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Fsync, fd as usize, 0, 0) }
}

/// Waits until all changes are on the disk.
pub fn sync() -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Sync, 0, 0, 0) }
}

/// Powers the machine off.
pub fn shutdown(status: i32) -> ! {
    // SAFETY: nothing runs afterwards.
    unsafe { call3(Sys::Shutdown, status as usize, 0, 0) };
    unreachable!("shutdown returned")
}
