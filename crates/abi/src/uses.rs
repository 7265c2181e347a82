//! What pages of RAM are used for.

macro_rules! uses {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// What a page of RAM is used for. Each page has one use.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Use { $($(#[$doc])* $name = $number,)* }

        impl Use {
            /// All uses, by number.
            pub const ALL: &[Use] = &[$(Use::$name,)*];

            /// A short description.
            pub const fn name(self) -> &'static str {
                match self { $(Use::$name => $text,)* }
            }
        }
    };
}

uses! {
    /// Pages of kmalloc, those that it keeps among them.
    Slab = 0, "kmalloc";
    /// The kernel's own page tables.
    KernelTable = 1, "kernel page table";
    /// The page tables of processes. One that a fork left to several counts once.
    PageTable = 2, "page tables";
    /// Kernel stacks, including cached ones.
    Stack = 3, "kernel stacks";
    /// Other pages of the kernel: allocations too large for kmalloc, device memory, pipes, tables of objects,
    /// the page of zeroes.
    Kernel = 4, "kernel blocks";
    /// Private memory of processes, copies of file pages among it.
    Anonymous = 5, "anonymous";
    /// Shared anonymous memory.
    Shared = 6, "shared anonymous";
    /// The page cache.
    File = 7, "file pages";
    /// Unclaimed frames of superpage reservations, which count as free.
    Reserved = 8, "reserved for large pages";
    /// In a per-CPU cache of the page allocator, and free.
    Cached = 9, "in per-CPU caches";
    /// In the buddy allocator.
    Free = 10, "free";
    /// The firmware's, and other memory that it keeps from the kernel.
    Firmware = 11, "firmware";
    /// The kernel image.
    Image = 12, "kernel image";
    /// The page allocator's records.
    Records = 13, "page records";
}

impl Use {
    /// Slots for uses.
    pub const SLOTS: usize = 16;

    /// Whether it is of free memory.
    pub const fn is_free(self) -> bool {
        matches!(self, Use::Reserved | Use::Cached | Use::Free)
    }

    /// Whether it is of memory that the page allocator does not manage.
    pub const fn is_reserved(self) -> bool {
        matches!(self, Use::Firmware | Use::Image | Use::Records)
    }
}
