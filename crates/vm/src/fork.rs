//! Forking: two spaces with the same contents, at the price of records and tables.

use crate::table::{PageTable, Stale};
use crate::{AddressSpace, Error, Machine};

impl<M: Machine> AddressSpace<M> {
    /// A space with the same regions and contents. Private pages are shared until either side
    /// writes; shared mappings stay shared, and their pages are found again when touched.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`] without frames for the tables or records for the regions. Nothing is
    /// lost then, and this space goes on as before.
    pub fn fork(&mut self) -> Result<Self, Error> {
        let table = PageTable::new(self.machine().clone())?;
        let mut child = AddressSpace {
            table,
            regions: self.regions.try_clone()?,
            heap: self.heap,
        };
        let mut stale = Stale::Nothing;
        let shared = self
            .regions()
            .filter(|region| !region.is_shared())
            .try_for_each(|region| {
                self.table
                    .share(region.range(), &mut child.table, &mut stale)
            });
        self.table.flush(stale);
        shared.map(|()| child)
    }
}
