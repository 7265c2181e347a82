//! System call numbers.

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// A system call: the number goes into `a7`, arguments into `a0` to `a5`, the result comes
        /// back in `a0`, and -1 is any error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum Sys { $($(#[$doc])* $name = $number,)* }

        impl Sys {
            /// Every call with its number and its name in C, in order of the numbers.
            pub const ALL: &[(u64, &str)] = &[$(($number, $text),)*];

            /// The call with this number.
            pub const fn from_number(number: u64) -> Option<Sys> {
                match number { $($number => Some(Sys::$name),)* _ => None }
            }

            /// The call's name in C.
            pub const fn name(self) -> &'static str {
                match self { $(Sys::$name => $text,)* }
            }
        }
    };
}

calls! {
    /// `fork() -> pid`: a copy of the caller; 0 in the child.
    Fork = 1, "fork";
    /// `exit(status)`: never returns.
    Exit = 2, "exit";
    /// `wait(*mut i32) -> pid`: collects one ended child and stores its status unless null.
    Wait = 3, "wait";
    /// `pipe(*mut [i32; 2])`: read end first.
    Pipe = 4, "pipe";
    /// `read(fd, buffer, n) -> bytes`.
    Read = 5, "read";
    /// `kill(pid)`.
    Kill = 6, "kill";
    /// `exec(path, argv)`: returns only on error.
    Exec = 7, "exec";
    /// `fstat(fd, *mut Stat)`.
    Fstat = 8, "fstat";
    /// `chdir(path)`.
    Chdir = 9, "chdir";
    /// `dup(fd) -> fd`.
    Dup = 10, "dup";
    /// `getpid() -> pid`.
    Getpid = 11, "getpid";
    /// `sbrk(bytes) -> the old break`: moves the break; memory comes when it is touched.
    Sbrk = 12, "sbrk";
    /// `sleep(ticks)`: a tenth of a second each.
    Sleep = 13, "sleep";
    /// `uptime() -> ticks` since boot.
    Uptime = 14, "uptime";
    /// `open(path, OpenFlags) -> fd`.
    Open = 15, "open";
    /// `write(fd, buffer, n) -> bytes`.
    Write = 16, "write";
    /// `mknod(path, major, minor)`.
    Mknod = 17, "mknod";
    /// `unlink(path)`.
    Unlink = 18, "unlink";
    /// `link(old, new)`.
    Link = 19, "link";
    /// `mkdir(path)`.
    Mkdir = 20, "mkdir";
    /// `close(fd)`.
    Close = 21, "close";
    /// `kmalloc(bytes) -> a kernel address`: a kernel object for tests; more than 4096 bytes panics
    /// the kernel.
    Kmalloc = 22, "kmalloc";
    /// `kfree(a kernel address)`: of an object this process got from `kmalloc` and still has.
    Kfree = 23, "kfree";
    /// `mmap(hint, length, Prot, MapFlags, fd, offset) -> address`.
    Mmap = 24, "mmap";
    /// `munmap(address, length)`.
    Munmap = 25, "munmap";
    /// `meminfo(*mut MemInfo, size, MemInfoFlags) -> the kernel's size of MemInfo`: stores the first
    /// `size` bytes at most.
    Meminfo = 26, "meminfo";
    /// `mprotect(address, length, Prot)`: of a range without holes.
    Mprotect = 27, "mprotect";
    /// `madvise(address, length, Advice)`: of a range without holes.
    Madvise = 28, "madvise";
    /// `mremap(address, old length, new length, RemapFlags) -> address`.
    Mremap = 29, "mremap";
    /// `mincore(address, length, *mut u8)`: stores a byte for each page, 1 where it has a frame.
    Mincore = 30, "mincore";
    /// `shutdown(status)`: ends the machine with this status; never returns.
    Shutdown = 31, "shutdown";
    /// `procinfo(pid, *mut ProcInfo, size, ProcInfoFlags) -> the kernel's size of ProcInfo`: stores
    /// the first `size` bytes at most.
    Procinfo = 32, "procinfo";
    /// `regions(pid, from, *mut RegionInfo, count, size) -> records stored`: of the process's regions
    /// that end above the address `from`, in order; 0 when there are no more. `size` is the
    /// caller's of a record.
    Regions = 33, "regions";
    /// `pagetable(pid, after, *mut TableEntry, count) -> records stored`: of the process's page table,
    /// what comes behind the record with the place `after`; 0 when there are no more.
    Pagetable = 34, "pagetable";
    /// `fsync(fd)`: waits until the disk has all changes of this file or directory.
    Fsync = 36, "fsync";
    /// `sync()`: waits until the disk has all changes.
    Sync = 37, "sync";
    /// `errno() -> Errno`: why the caller's last call that failed has failed; 0 if none has.
    Errno = 38, "errno";
    /// `setpgid(pid, group)`: puts the caller or a child of its (0 is the caller) into a process group:
    /// one that there is, or its own, named by its number (which 0 stands for).
    Setpgid = 39, "setpgid";
    /// `getpgid(pid) -> group`: of the process, or with 0 of the caller.
    Getpgid = 40, "getpgid";
    /// `tcsetpgrp(fd, group)`: the process group that Ctrl-C at this terminal ends; 0 for none.
    Tcsetpgrp = 41, "tcsetpgrp";
    /// `tcgetpgrp(fd) -> group`: what `tcsetpgrp` said.
    Tcgetpgrp = 42, "tcgetpgrp";
}
