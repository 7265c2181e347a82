//! Fork: copying an address space, copy on write.

use crate::PageTable;
use crate::table::CopyRange;
use crate::{AddressSpace, Error, Files, Region};

impl<M: Files> AddressSpace<M> {
    /// A copy of the space. Private pages are shared until either side writes; pages of shared mappings are
    /// mapped again when touched. For each leaf table and large page that both share, both get a deposit (see
    /// [`trim`](Self::trim)).
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] without frames for the tables or records for the regions, or beyond the commit
    /// limit. This space is unchanged then.
    pub fn fork(&mut self) -> Result<Self, Error> {
        let table = PageTable::try_new(self.machine().clone())?;
        let regions = self.regions.forked(&table)?;
        let child = AddressSpace::with(table, regions, self.heap)?;
        let private = |range| !self.regions.within(range).any(Region::is_shared);
        let mut copy = CopyRange::new(private);
        let shared = self.regions().try_for_each(|region| {
            if region.is_shared() {
                return Ok(());
            }
            self.table
                .copy_range(region.range(), &child.table, &mut copy)
        });
        self.table.shoot_down(copy.stale);
        let elsewhere = || {
            let shared = self.regions().filter(|region| region.is_shared());
            shared
                .map(|region| self.table.pages_in(region.range()))
                .sum()
        };
        child.table.set_resident(self.table.private(elsewhere));
        if let Err(error) = shared {
            drop(child);
            self.trim();
            return Err(error);
        }
        Ok(child)
    }

    /// Frees the deposits for what is not shared any more. Changes of the memory free them one by one too; this
    /// is for a caller that knows that other spaces have ended.
    pub fn trim(&mut self) {
        for region in self.regions() {
            if self.table.deposits() == 0 {
                break;
            }
            self.table.release_deposits(&region.range());
        }
    }
}
