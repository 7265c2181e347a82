//! Forking: two spaces with the same contents, at the price of records and tables.

use crate::PageTable;
use crate::table::Sharing;
use crate::{AddressSpace, Error, Files, Region};

impl<M: Files> AddressSpace<M> {
    /// A space with the same regions and contents. Private pages are shared until either side
    /// writes; shared mappings stay shared, and their pages are found again when touched. For each table and
    /// large page that both have then, both have a frame put aside (see [`trim`](Self::trim)).
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] without frames for the tables or records for the regions, or where the
    /// machine does not promise as much again. Nothing is lost then, and this space goes on as before.
    pub fn fork(&mut self) -> Result<Self, Error> {
        let table = PageTable::try_new(self.machine().clone())?;
        let regions = self.regions.forked(&table)?;
        let child = AddressSpace::with(table, regions, self.heap)?;
        let private = |range| !self.regions.within(range).any(Region::is_shared);
        let mut sharing = Sharing::new(private);
        let shared = self.regions().try_for_each(|region| {
            if region.is_shared() {
                return Ok(());
            }
            self.table.share(region.range(), &child.table, &mut sharing)
        });
        self.table.shoot_down(sharing.stale);
        let elsewhere = || {
            let shared = self.regions().filter(|region| region.is_shared());
            shared
                .map(|region| self.table.pages_in(region.range()))
                .sum()
        };
        child.table.set_resident(self.table.private(elsewhere));
        if let Err(error) = shared {
            drop(child);
            self.table.release_spares();
            return Err(error);
        }
        Ok(child)
    }

    /// Gives back the frames that forks put aside for what is this space's alone again. They go one by one
    /// too, as the space changes its memory; this is for who knows that other spaces have ended.
    pub fn trim(&mut self) {
        self.table.release_spares();
    }
}
