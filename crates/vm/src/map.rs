//! Making regions: those of a program, and mappings.

use crate::object::Object;
use crate::tree::Node;
use crate::unmap::pages;
use crate::window::{ObjectRange, Window};
use crate::{AddressSpace, Error, Files, Region, RegionKind};
use abi::{MapFlags, Prot};
use core::ops::Range;
use fallible::KArc;
use paging::{PAGE, page_down};

impl<M: Files> AddressSpace<M> {
    /// Maps a part of an object privately: `len` bytes from `start`, rounded up to pages; behind the part they
    /// are zeroes. Pages are mapped when touched, and copied when written. The page with the part's end is
    /// copied too, since what follows must read as zero; a length rounded up to pages avoids the copy.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] when `start` or the part's offset is no multiple of the page, the range is
    /// empty or leaves the user half, or the part exceeds its pages; [`Error::Occupied`] when
    /// something is there; [`Error::NoMemory`] without a record.
    pub fn map_object(
        &mut self,
        start: u64,
        len: u64,
        prot: Prot,
        part: ObjectRange<M>,
    ) -> Result<(), Error> {
        let range = pages(start, len)?;
        let fits = part.len <= range.end - range.start;
        if !part.offset.is_multiple_of(PAGE) || !fits || part.end().is_none() {
            return Err(Error::Invalid);
        }
        let kind = if prot.contains(Prot::WRITE) {
            RegionKind::Data
        } else {
            RegionKind::Text
        };
        let window = Window::private(part, start, &self.table)?;
        self.add_fixed(Region::new(range, prot, kind, Some(window)))
    }

    /// Makes a region of zeroes for the program's own use: `len` bytes from `start`, rounded up to
    /// pages. Without any right in `prot` it is a guard.
    ///
    /// # Errors
    ///
    /// As [`map_file`](Self::map_file); and [`Error::Invalid`] for the kinds
    /// [`Heap`](RegionKind::Heap), which [`set_heap`](Self::set_heap) and [`sbrk`](Self::sbrk) make.
    pub fn map_anonymous_fixed(
        &mut self,
        start: u64,
        len: u64,
        prot: Prot,
        kind: RegionKind,
    ) -> Result<(), Error> {
        if kind == RegionKind::Heap {
            return Err(Error::Invalid);
        }
        self.add_fixed(Region::new(pages(start, len)?, prot, kind, None))
    }

    fn add_fixed(&mut self, region: Region<M>) -> Result<(), Error> {
        if self.regions.first_in(&region.range()).is_some() {
            return Err(Error::Occupied);
        }
        self.committing(region.extent().cost_of_insertion(), |space| {
            space.regions.insert(Node::try_new(region)?);
            Ok(())
        })
    }

    /// Maps `len` bytes of zeroes, rounded up to pages, and returns where.
    ///
    /// - With [`MapFlags::FIXED`], exactly at `hint`; mappings there are replaced.
    /// - With [`MapFlags::FIXED_NOREPLACE`], with or without `FIXED`, exactly at `hint`, where
    ///   nothing may be.
    /// - Otherwise at `hint`, rounded down to a page, when it is not 0 and that range is free.
    /// - Otherwise in the lowest free place from [`abi::MMAP_BASE`] on.
    ///
    /// With [`MapFlags::LOW`] the place is in [`abi::MMAP_LOW`], and a hint counts only if it leads
    /// below the end of that.
    ///
    /// [`MapFlags::SHARED`] memory is the same memory in all spaces forked from this one. No flags
    /// at all ask for private memory that can be read and written, whatever `prot` says.
    ///
    /// [`MapFlags::POPULATE`] faults in the pages at once: with frames where they are writable, with the zero
    /// page where they are only readable. If frames run out midway the mapping stays, and the rest is faulted
    /// in when touched, as in Linux. [`MapFlags::NORESERVE`] has no effect: whether commitments are limited is
    /// the machine's setting.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] for a length of 0 or beyond the user half, for flags with neither or both of
    /// `SHARED` and `PRIVATE`, without `ANONYMOUS`, or unknown; and with `FIXED` or `FIXED_NOREPLACE`
    /// for a `hint` that is no page and a range that leaves the user half, with `FIXED` alone for one
    /// where something other than mappings is. [`Error::Occupied`] with `FIXED_NOREPLACE` where
    /// anything is. [`Error::NoMemory`] when no place is wide enough, the commit limit is exceeded,
    /// or without a record. Replacing mappings allocates nothing but a record, as for
    /// [`munmap`](Self::munmap).
    pub fn mmap(&mut self, hint: u64, len: u64, prot: Prot, flags: MapFlags) -> Result<u64, Error> {
        let (prot, flags) = checked(prot, flags)?;
        let fixed = flags.intersects(MapFlags::FIXED | MapFlags::FIXED_NOREPLACE);
        let range = if fixed {
            pages(hint, len)?
        } else {
            let area = match flags.contains(MapFlags::LOW) {
                true => abi::MMAP_LOW,
                false => abi::MMAP_BASE..abi::USER_TOP,
            };
            self.choose(hint, len, area)?
        };
        if flags.contains(MapFlags::FIXED_NOREPLACE) {
            if self.regions.first_in(&range).is_some() {
                return Err(Error::Occupied);
            }
        } else if fixed {
            self.check_mappings(&range)?;
        }
        let start = range.start;
        let window = match flags.contains(MapFlags::SHARED) {
            true => Some(self.shared_window(&range)?),
            false => None,
        };
        let mapping = Region::new(range.clone(), prot, RegionKind::Mapping, window);
        // The commitment of replaced mappings is reused.
        let replaced = self.regions.within(range.clone());
        let replaced: u64 = replaced.map(|region| region.own_pages_in(&range)).sum();
        let more = mapping
            .extent()
            .cost_of_insertion()
            .saturating_sub(replaced);
        self.committing(more, |space| {
            let mapping = Node::try_new(mapping)?;
            space.regions.refill()?;
            if fixed {
                space.cut_around(&range)?;
                space.unmap_range(range.clone());
            }
            space.regions.insert_merged(mapping);
            Ok(())
        })?;
        if flags.contains(MapFlags::POPULATE) {
            self.populate(range);
        }
        Ok(start)
    }

    /// A window of new shared memory, for a range.
    fn shared_window(&self, range: &Range<u64>) -> Result<KArc<Window<M>>, Error> {
        let object = Object::anonymous(self.machine().clone(), range.end - range.start)?;
        Window::shared(KArc::try_new(object)?, range.start, &self.table)
    }

    /// A free range of `len` bytes: at the hint if that is possible, or else in the area.
    fn choose(&self, hint: u64, len: u64, area: Range<u64>) -> Result<Range<u64>, Error> {
        let wanted = pages(0, len)?;
        let hint = page_down(hint);
        match pages(hint, len) {
            Ok(range)
                if hint != 0
                    && range.end <= area.end
                    && self.regions.first_in(&range).is_none() =>
            {
                Ok(range)
            }
            _ => {
                let start = self
                    .regions
                    .lowest_gap(wanted.end, area)
                    .ok_or(Error::NoMemory)?;
                Ok(start..start + wanted.end)
            }
        }
    }
}

/// The effective protection and flags; an error if they are invalid.
fn checked(prot: Prot, flags: MapFlags) -> Result<(Prot, MapFlags), Error> {
    if flags.is_empty() {
        return Ok((
            Prot::READ | Prot::WRITE,
            MapFlags::PRIVATE | MapFlags::ANONYMOUS,
        ));
    }
    let known = MapFlags::all().contains(flags) && Prot::all().contains(prot);
    let one_kind = flags.contains(MapFlags::SHARED) != flags.contains(MapFlags::PRIVATE);
    if !known || !one_kind || !flags.contains(MapFlags::ANONYMOUS) {
        return Err(Error::Invalid);
    }
    Ok((prot, flags))
}
