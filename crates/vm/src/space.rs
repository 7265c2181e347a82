//! The address space itself: what it holds, and what can be asked of it.

use crate::heap::Heap;
use crate::promise::Promise;
use crate::tree::{Node, RegionTree};
use crate::{Error, Files, PageTable, Region, Regions, reserve};
use abi::Prot;
use core::ops::Range;
use fallible::KArc;
use frames::Pfn;
use paging::page_down;

/// Programs have the lower half of what the page tables translate.
const _: () = assert!(abi::MAXVA == 1 << (paging::ADDRESS_BITS - 1));

/// What a space has at the moment, in pages unless said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Pages of the space's own, see [`PageTable::resident`].
    pub resident: usize,
    /// Large pages (2 MiB) among them, each counted once here and as 512 pages there.
    pub large: usize,
    /// Number of regions.
    pub regions: usize,
    /// Pages of page table, the root among them, and also those that a fork left to several spaces.
    pub page_tables: usize,
    /// Pages in all regions, touched or not.
    pub size: usize,
}

/// A process's memory. Dropping it gives everything back; no hart may run on its table then.
///
/// It has no lock but that of the table's entries: whoever shares it wraps it in one. All addresses are user
/// addresses.
pub struct AddressSpace<M: Files> {
    pub(crate) table: KArc<PageTable<M>>,
    pub(crate) regions: RegionTree<M>,
    pub(crate) heap: Heap,
    pub(crate) reservations: reserve::Own,
    /// Taken back last, when the frames are.
    pub(crate) promise: Promise<M>,
}

impl<M: Files> AddressSpace<M> {
    /// An empty space: a root table with the kernel's half. Its break is 0.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] without a frame for the root.
    pub fn new(machine: M) -> Result<Self, Error> {
        let table = PageTable::try_new(machine)?;
        AddressSpace::with(table, RegionTree::new(), Heap::default())
    }

    /// A space with these regions and nothing in its table.
    pub(crate) fn with(
        table: KArc<PageTable<M>>,
        regions: RegionTree<M>,
        heap: Heap,
    ) -> Result<Self, Error> {
        let promise = Promise::new(table.machine().clone(), regions.committed() + 1)?;
        let space = AddressSpace {
            table,
            regions,
            heap,
            reservations: None,
            promise,
        };
        space.count_records();
        Ok(space)
    }

    /// The frame of the root table, for the hardware.
    pub fn root(&self) -> Pfn {
        self.table.root()
    }

    /// The page table, for who runs the space, reads its counts, or takes pages out of it. Dropping the
    /// space flushes nothing: who gives out ASIDs (as [`asid`](crate::asid) does) sees to it that a TLB
    /// has nothing under one that another space gets.
    pub fn page_table(&self) -> &KArc<PageTable<M>> {
        &self.table
    }

    /// Pages of its own: [`Stats::resident`] without the walk over the regions that
    /// the other numbers cost.
    pub fn resident(&self) -> usize {
        self.table.resident()
    }

    /// Keeps the count of the pages that the records of its regions take.
    pub(crate) fn count_records(&self) {
        let bytes = self.regions.len() * size_of::<Node<M>>();
        self.table.set_records(bytes / abi::PAGE_SIZE);
    }

    /// Sizes, as they are now.
    pub fn stats(&self) -> Stats {
        let bytes: u64 = self
            .regions()
            .map(|region| region.end() - region.start())
            .sum();
        Stats {
            resident: self.table.resident(),
            large: self.table.large(),
            regions: self.regions.len(),
            page_tables: self.table.tables(),
            size: bytes as usize / abi::PAGE_SIZE,
        }
    }

    /// All regions in order of address.
    pub fn regions(&self) -> Regions<'_, M> {
        self.regions.within(0..abi::MAXVA)
    }

    /// The region that `addr` lies in.
    pub fn region(&self, addr: u64) -> Option<&Region<M>> {
        self.regions.find(addr)
    }

    /// The frame behind the page that `addr` is in and what the hardware lets a program do with it
    /// now; `None` where an access would fault. A page that was never written may show the common
    /// page of zeroes, and a page without write access may get it by a fault.
    pub fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        if addr >= abi::USER_TOP {
            return None;
        }
        self.table.translate(page_down(addr))
    }

    pub(crate) fn machine(&self) -> &M {
        self.table.machine()
    }

    /// Nothing more will be filled in `range`.
    #[inline]
    pub(crate) fn close_reservations(&mut self, range: &Range<u64>) {
        reserve::close(&mut self.reservations, self.table.machine(), range);
    }
}

impl<M: Files> Drop for AddressSpace<M> {
    fn drop(&mut self) {
        self.close_reservations(&(0..abi::MAXVA));
        self.table.close();
        let mut end = 0;
        while let Some(region) = self.regions.ending_after(end) {
            end = region.end();
            let next = self
                .regions
                .ending_after(end)
                .map_or(abi::MAXVA, Region::start);
            // What lies below is cleared already, and nothing flushes what no hart runs on.
            self.table.tear_down(region.range(), &(0..next));
        }
        self.table.cleared();
    }
}
