//! The address space itself: what it holds, and what can be asked of it.

use crate::commitment::Commitment;
use crate::heap::Heap;
use crate::tree::{Node, RegionTree};
use crate::{Error, Files, PageTable, Region, Regions, page_alloc};
use abi::Prot;
use core::ops::Range;
use fallible::KArc;
use frames::Pfn;
use paging::page_down;

/// Programs have the lower half of what the page tables translate.
const _: () = assert!(abi::MAXVA == 1 << (paging::ADDRESS_BITS - 1));

/// Sizes of a space, in pages unless noted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Resident pages, see [`PageTable::resident`].
    pub resident: usize,
    /// Large pages (2 MiB) among them, each counted once here and as 512 pages there.
    pub large: usize,
    /// Number of regions.
    pub regions: usize,
    /// Page-table pages, including the root and shared ones.
    pub page_tables: usize,
    /// Pages in all regions, touched or not.
    pub size: usize,
}

/// A process's memory. Dropping it frees everything; no hart may run on its table then.
///
/// It has no lock but that of the table's entries: whoever shares it locks it. All addresses are user
/// addresses.
pub struct AddressSpace<M: Files> {
    pub(crate) table: KArc<PageTable<M>>,
    pub(crate) regions: RegionTree<M>,
    pub(crate) heap: Heap,
    pub(crate) reservations: page_alloc::SpaceReservations,
    /// Dropped last, after the frames.
    pub(crate) commitment: Commitment<M>,
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
        let commitment = Commitment::new(table.machine().clone(), regions.committed() + 1)?;
        let space = AddressSpace {
            table,
            regions,
            heap,
            reservations: None,
            commitment,
        };
        space.count_records();
        Ok(space)
    }

    /// The frame of the root table, for the hardware.
    pub fn root(&self) -> Pfn {
        self.table.root()
    }

    /// The page table, for running the space, reading its counters, and reverse mapping. Dropping the space
    /// flushes nothing: whoever assigns ASIDs (as [`asid`](crate::asid) does) flushes before an ASID is reused.
    pub fn page_table(&self) -> &KArc<PageTable<M>> {
        &self.table
    }

    /// Resident pages: [`Stats::resident`] without the walk over the regions that the other numbers cost.
    pub fn resident(&self) -> usize {
        self.table.resident()
    }

    /// Updates the count of pages that the region records take.
    pub(crate) fn count_records(&self) {
        let bytes = self.regions.len() * size_of::<Node<M>>();
        self.table.set_records(bytes / abi::PAGE_SIZE);
    }

    /// Current sizes.
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

    /// The frame of the page at `addr`, and the permissions that its entry gives a program now; `None` where an
    /// access would fault. A page that was never written may show the zero page, and a page without write
    /// access may get it by a fault.
    pub fn translate(&self, addr: u64) -> Option<(Pfn, Prot)> {
        if addr >= abi::USER_TOP {
            return None;
        }
        self.table.translate(page_down(addr))
    }

    pub(crate) fn machine(&self) -> &M {
        self.table.machine()
    }

    /// Breaks the reservations that overlap `range`.
    #[inline]
    pub(crate) fn break_reservations(&mut self, range: &Range<u64>) {
        page_alloc::break_reservations(&mut self.reservations, self.table.machine(), range);
    }
}

impl<M: Files> Drop for AddressSpace<M> {
    fn drop(&mut self) {
        self.break_reservations(&(0..abi::MAXVA));
        self.table.close();
        let mut end = 0;
        while let Some(region) = self.regions.ending_after(end) {
            end = region.end();
            let next = self
                .regions
                .ending_after(end)
                .map_or(abi::MAXVA, Region::start);
            // Everything below is cleared, and no hart runs on the table, so nothing is flushed.
            self.table.tear_down(region.range(), &(0..next));
        }
        self.table.cleared();
    }
}
