//! Event counters.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// An event that the kernel counts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Event { $($(#[$doc])* $name = $number,)* }

        impl Event {
            /// All events.
            pub const ALL: &[Event] = &[$(Event::$name,)*];

            /// A short description.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }
        }
    };
}

events! {
    /// Page fault on a load, by a program or by the kernel for it.
    FaultRead = 0, "load faults";
    /// Page fault on a store.
    FaultWrite = 1, "store faults";
    /// Page fault on an instruction fetch.
    FaultExecute = 2, "fetch faults";
    /// Fault on an access that no region allows.
    FaultRefused = 3, "invalid faults";
    /// Fault that failed for lack of memory.
    FaultStarved = 4, "out-of-memory faults";
    /// An untouched page was read: the shared zero page was mapped.
    ZeroPage = 5, "zero pages mapped";
    /// A page got a zeroed frame.
    ZeroFill = 6, "pages zero-filled";
    /// A page-cache page was mapped.
    FileMap = 7, "file pages mapped";
    /// A page-cache page was copied for a private mapping.
    FileCopy = 8, "file pages copied";
    /// A shared page was copied on write.
    Copy = 9, "copy-on-write copies";
    /// A write to a copy-on-write page with no other owner left: no copy.
    LastOwner = 10, "copy-on-write reuses";
    /// A page of shared memory was mapped.
    SharedMap = 11, "shared pages mapped";
    /// Fault on a stale TLB entry: the page table already allowed the access.
    SpuriousFault = 12, "spurious faults";
    /// A page was read into the page cache.
    PageIn = 13, "file pages read in";
    /// A 1 KiB block was read from the disk.
    DiskRead = 14, "disk blocks read";
    /// A 1 KiB block was written to the disk.
    DiskWrite = 15, "disk blocks written";
    /// A context switch.
    Switch = 16, "context switches";
    /// A system call.
    Call = 17, "system calls";
    /// A timer interrupt.
    Timer = 18, "timer interrupts";
    /// A device interrupt.
    Device = 19, "device interrupts";
    /// An inter-processor interrupt.
    Hart = 20, "inter-processor interrupts";
    /// A TLB flush of one page.
    FlushPage = 21, "TLB flushes of a page";
    /// A TLB flush of one address space.
    FlushSpace = 22, "TLB flushes of an address space";
    /// A full TLB flush.
    FlushAll = 23, "full TLB flushes";
    /// A flush of the disk's write cache.
    DiskFlush = 24, "disk cache flushes";
}
