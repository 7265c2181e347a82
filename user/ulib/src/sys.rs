//! The system calls as they are: addresses and numbers in, -1 on any error, as in C.
//!
//! Nothing is checked here. Calls through which the kernel only reads the program's memory are
//! safe, whatever address they are given; those through which it writes or takes memory away are
//! not.

use abi::{MemInfo, ProcInfo, RegionInfo, Stat, Sys, TableEntry};
use core::arch::asm;

/// Any system call, known to the kernel or not.
///
/// # Safety
/// As far as the call lets the kernel write to or take away memory of this program, that memory
/// must be the caller's to lose.
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
    unreachable!("exit came back")
}

/// Collects an ended child: its process number.
///
/// # Safety
/// `status` is null, or what it points to is the caller's to be overwritten.
pub unsafe fn wait(status: *mut i32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Wait, status as usize, 0, 0) }
}

/// Makes a pipe and stores its read end and its write end.
///
/// # Safety
/// What `ends` points to is the caller's to be overwritten.
pub unsafe fn pipe(ends: *mut [i32; 2]) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Pipe, ends as usize, 0, 0) }
}

/// Reads up to `n` bytes.
///
/// # Safety
/// The `n` bytes at `buffer` are the caller's to be overwritten.
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
    // SAFETY: no memory of this program is concerned, unless it ends.
    unsafe { call3(Sys::Kill, pid as usize, 0, 0) }
}

/// Turns this process into another program. Returns only on error.
pub fn exec(path: *const u8, argv: *const *const u8) -> isize {
    // SAFETY: the kernel only reads, or nothing of this program runs afterwards.
    unsafe { call3(Sys::Exec, path as usize, argv as usize, 0) }
}

/// Stores what is known of an open file.
///
/// # Safety
/// What `stat` points to is the caller's to be overwritten.
pub unsafe fn fstat(fd: i32, stat: *mut Stat) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Fstat, fd as usize, stat as usize, 0) }
}

/// Changes the current directory.
pub fn chdir(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Chdir, path as usize, 0, 0) }
}

/// Number of the reason why this process's last call that failed has failed.
pub fn errno() -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Errno, 0, 0, 0) }
}

/// Gives an open file one more number, the lowest free one.
pub fn dup(fd: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Dup, fd as usize, 0, 0) }
}

/// This process's number.
pub fn getpid() -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Getpid, 0, 0, 0) }
}

/// Moves the break by `bytes`; the old break.
///
/// # Safety
/// If `bytes` is negative, nothing that is still in use lies above the new break.
pub unsafe fn sbrk(bytes: isize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Sbrk, bytes as usize, 0, 0) }
}

/// Sleeps for a number of ticks.
pub fn sleep(ticks: usize) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Sleep, ticks, 0, 0) }
}

/// Ticks since boot.
pub fn uptime() -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Uptime, 0, 0, 0) }
}

/// Opens a file; its number.
pub fn open(path: *const u8, flags: u32) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Open, path as usize, flags as usize, 0) }
}

/// Makes a device node.
pub fn mknod(path: *const u8, major: i16, minor: i16) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Mknod, path as usize, major as usize, minor as usize) }
}

/// Removes a name.
pub fn unlink(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Unlink, path as usize, 0, 0) }
}

/// Gives a file one more name.
pub fn link(old: *const u8, new: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Link, old as usize, new as usize, 0) }
}

/// Makes a directory.
pub fn mkdir(path: *const u8) -> isize {
    // SAFETY: the kernel only reads.
    unsafe { call3(Sys::Mkdir, path as usize, 0, 0) }
}

/// Closes an open file.
pub fn close(fd: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Close, fd as usize, 0, 0) }
}

/// Gets a kernel object: its address, which the program cannot use but to free it.
pub fn kmalloc(bytes: usize) -> isize {
    // SAFETY: the object is outside this program's memory.
    unsafe { call3(Sys::Kmalloc, bytes, 0, 0) }
}

/// Frees a kernel object.
pub fn kfree(object: isize) -> isize {
    // SAFETY: the object is outside this program's memory.
    unsafe { call3(Sys::Kfree, object as usize, 0, 0) }
}

/// Maps memory; its address.
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

/// Takes a mapping away.
///
/// # Safety
/// Nothing that is still in use lies in the range.
pub unsafe fn munmap(address: usize, length: usize) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Munmap, address, length, 0) }
}

/// Changes what may be done with pages.
///
/// # Safety
/// Nothing that is still in use needs a right that goes.
pub unsafe fn mprotect(address: usize, length: usize, prot: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Mprotect, address, length, prot as usize) }
}

/// Tells the kernel what will become of pages.
///
/// # Safety
/// With `Advice::DontNeed` and `Advice::Free`, what the range holds is the caller's to lose.
pub unsafe fn madvise(address: usize, length: usize, advice: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Madvise, address, length, advice as usize) }
}

/// Changes the size of a mapping; its address.
///
/// # Safety
/// Nothing that is still in use lies behind the new length; with `RemapFlags::MAYMOVE`, nothing
/// refers to the old address afterwards.
pub unsafe fn mremap(address: usize, old: usize, new: usize, flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe {
        call(
            Sys::Mremap as usize,
            [address, old, new, flags as usize, 0, 0],
        )
    }
}

/// Stores for each page of a range whether it has a frame.
///
/// # Safety
/// As many bytes at `told` as the range has pages are the caller's to be overwritten.
pub unsafe fn mincore(address: usize, length: usize, told: *mut u8) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Mincore, address, length, told as usize) }
}

/// Stores the first `size` bytes of the kernel's memory counts.
///
/// # Safety
/// The `size` bytes at `info` are the caller's to be overwritten.
pub unsafe fn meminfo(info: *mut MemInfo, size: usize, flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { call3(Sys::Meminfo, info as usize, size, flags as usize) }
}

/// Stores the first `size` bytes of what the kernel knows of a process.
///
/// # Safety
/// The `size` bytes at `info` are the caller's to be overwritten.
pub unsafe fn procinfo(pid: i32, info: *mut ProcInfo, size: usize, flags: u32) -> isize {
    let args = [pid as usize, info as usize, size, flags as usize, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Procinfo as usize, args) }
}

/// Stores what is known of a process's regions that end above `from`, `count` at the most, with
/// `size` bytes from one to the next; the number of those stored.
///
/// # Safety
/// The `count` times `size` bytes at `to` are the caller's to be overwritten.
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

/// Stores the entries of a process's page table behind the place `after`, `count` at the most; the
/// number of those stored.
///
/// # Safety
/// The `count` records at `to` are the caller's to be overwritten.
pub unsafe fn pagetable(pid: i32, after: usize, to: *mut TableEntry, count: usize) -> isize {
    let args = [pid as usize, after, to as usize, count, 0, 0];
    // SAFETY: the caller's promise.
    unsafe { call(Sys::Pagetable as usize, args) }
}

/// Puts a process into a group.
pub fn setpgid(pid: i32, group: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Setpgid, pid as usize, group as usize, 0) }
}

/// A process's group.
pub fn getpgid(pid: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Getpgid, pid as usize, 0, 0) }
}

/// Has Ctrl-C at this terminal end a group.
pub fn tcsetpgrp(fd: i32, group: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Tcsetpgrp, fd as usize, group as usize, 0) }
}

/// The group that Ctrl-C at this terminal ends.
pub fn tcgetpgrp(fd: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Tcgetpgrp, fd as usize, 0, 0) }
}

/// Waits until the disk has all changes of a file.
pub fn fsync(fd: i32) -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Fsync, fd as usize, 0, 0) }
}

/// Waits until the disk has all changes.
pub fn sync() -> isize {
    // SAFETY: no memory is concerned.
    unsafe { call3(Sys::Sync, 0, 0, 0) }
}

/// Ends the machine.
pub fn shutdown(status: i32) -> ! {
    // SAFETY: nothing runs afterwards.
    unsafe { call3(Sys::Shutdown, status as usize, 0, 0) };
    unreachable!("shutdown came back")
}
