//! What the kernel counts.

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// Something that the kernel counts as it happens.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Event { $($(#[$doc])* $name = $number,)* }

        impl Event {
            /// All events.
            pub const ALL: &[Event] = &[$(Event::$name,)*];

            /// A few words for lists.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$name => $text,)* }
            }
        }
    };
}

events! {
    /// A load, by a program or on its behalf, came to the fault path.
    FaultRead = 0, "faults of loads";
    /// A store did.
    FaultWrite = 1, "faults of stores";
    /// The fetch of an instruction did.
    FaultExecute = 2, "faults of fetches";
    /// The address space refused the access.
    FaultRefused = 3, "faults refused";
    /// There was no memory for the page.
    FaultStarved = 4, "faults without memory";
    /// An untouched page that was read shows the common page of zeroes.
    ZeroPage = 5, "pages shown the common zeroes";
    /// A page got a frame of zeroes of its own.
    ZeroFill = 6, "pages filled with zeroes";
    /// A page shows a cached page of a file.
    FileMap = 7, "file pages mapped";
    /// A page got a copy of a cached page of a file.
    FileCopy = 8, "file pages copied";
    /// A page that others have too was copied because it was written.
    Copy = 9, "copies on write";
    /// A page was written whose other owners were gone: no copy.
    LastOwner = 10, "copies saved, last owner";
    /// A page of memory that several processes share was mapped.
    SharedMap = 11, "shared pages mapped";
    /// The hardware had gone by an entry that has changed.
    Stale = 12, "faults by stale translations";
    /// A page of a file was read into the cache.
    PageIn = 13, "file pages read in";
    /// A block of 1 KiB came from the disk.
    DiskRead = 14, "disk blocks read";
    /// A block of 1 KiB went to the disk.
    DiskWrite = 15, "disk blocks written";
    /// A hart went from one process, or from idling, to another.
    Switch = 16, "context switches";
    /// A system call.
    Call = 17, "system calls";
    /// An interrupt of the clock.
    Timer = 18, "interrupts of the clock";
    /// An interrupt of a device.
    Device = 19, "interrupts of devices";
    /// An interrupt by another hart.
    Hart = 20, "interrupts by harts";
    /// A hart forgot the translation of one page.
    FlushPage = 21, "flushes of a page";
    /// A hart forgot the translations of one address space.
    FlushSpace = 22, "flushes of a space";
    /// A hart forgot all translations.
    FlushAll = 23, "flushes of everything";
    /// The disk was told to make what was written to it durable.
    DiskFlush = 24, "disk caches flushed";
}
