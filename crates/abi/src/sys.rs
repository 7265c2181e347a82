//! System call numbers.

macro_rules! calls {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// A system call: number in `a7`, arguments in `a0` to `a5`, result in `a0`; -1 is any
        /// error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u64)]
        pub enum Sys { $($(#[$doc])* $name = $number,)* }

        impl Sys {
            /// All calls: number and name in C, in order of number.
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
    /// `wait(*mut i32) -> pid`: reaps a child and stores its status unless null.
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
    /// `sbrk(bytes) -> old break`: moves the break. Memory is allocated on touch.
    Sbrk = 12, "sbrk";
    /// `sleep(ticks)`, of a tenth of a second.
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
    /// `kmalloc(bytes) -> kernel address`: allocates a kernel object, for tests; more than 4096
    /// bytes panics the kernel.
    Kmalloc = 22, "kmalloc";
    /// `kfree(kernel address)`: frees an object that this process got from `kmalloc`.
    Kfree = 23, "kfree";
    /// `mmap(hint, length, Prot, MapFlags, fd, offset) -> address`.
    Mmap = 24, "mmap";
    /// `munmap(address, length)`.
    Munmap = 25, "munmap";
    /// `meminfo(*mut MemInfo, size, MemInfoFlags) -> the kernel's size of MemInfo`: stores at most
    /// `size` bytes.
    Meminfo = 26, "meminfo";
    /// `mprotect(address, length, Prot)`: the range must have no holes.
    Mprotect = 27, "mprotect";
    /// `madvise(address, length, Advice)`: the range must have no holes.
    Madvise = 28, "madvise";
    /// `mremap(address, old length, new length, RemapFlags) -> address`.
    Mremap = 29, "mremap";
    /// `mincore(address, length, *mut u8)`: stores a byte for each page: 1 if resident.
    Mincore = 30, "mincore";
    /// `shutdown(status)`: powers off with this status; never returns.
    Shutdown = 31, "shutdown";
    /// `procinfo(pid, *mut ProcInfo, size, ProcInfoFlags) -> the kernel's size of ProcInfo`: stores
    /// at most `size` bytes.
    Procinfo = 32, "procinfo";
    /// `regions(pid, from, *mut RegionInfo, count, size) -> records stored`: the process's regions
    /// that end above address `from`, in order; 0 at the end. `size` is the caller's record size.
    Regions = 33, "regions";
    /// `pagetable(pid, after, *mut TableEntry, count) -> records stored`: the process's page-table
    /// entries after the place `after`; 0 at the end.
    Pagetable = 34, "pagetable";
    /// `fsync(fd)`: waits until all changes of this file or directory are on the disk.
    Fsync = 36, "fsync";
    /// `sync()`: waits until all changes are on the disk.
    Sync = 37, "sync";
    /// `errno() -> Errno`: the error of the caller's last failed call; 0 for none.
    Errno = 38, "errno";
    /// `setpgid(pid, group)`: moves the caller (0) or a child into an existing process group, or
    /// into a new one with its own ID (0).
    Setpgid = 39, "setpgid";
    /// `getpgid(pid) -> group` of a process; 0 is the caller.
    Getpgid = 40, "getpgid";
    /// `tcsetpgrp(fd, group)`: sets the terminal's foreground process group, which Ctrl-C ends; 0
    /// for none.
    Tcsetpgrp = 41, "tcsetpgrp";
    /// `tcgetpgrp(fd) -> group`: the terminal's foreground process group.
    Tcgetpgrp = 42, "tcgetpgrp";
}
