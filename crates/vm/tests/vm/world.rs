//! Processes on one machine with a page cache: what a kernel does around an address space.

use crate::mmu::{Survey, reach, survey};
use crate::ram::{File, Ram};
use abi::{Prot, Use};
use frames::Pfn;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use vm::object::{Mapped, Page, Pager, Version};
use vm::{
    Access, AddressSpace, Error, Fault, FaultError, Frame, Machine, Mappable, Object, ObjectRange,
    RegionKind,
};

pub(crate) type Space = AddressSpace<Ram>;

pub(crate) const PAGE: u64 = 4096;
pub(crate) const RW: Prot = Prot::READ.union(Prot::WRITE);
pub(crate) const RX: Prot = Prot::READ.union(Prot::EXEC);

/// Contents of the word at byte `offset` of a file.
pub(crate) fn file_word(file: u32, offset: u64) -> u64 {
    u64::from(file) << 48 | offset | 1
}

/// Pages of each file.
pub(crate) const FILE_PAGES: u64 = 64;

/// Reads a file, whose number it is.
struct Reader(u32);

impl Pager<Ram> for Reader {
    type Error = Error;

    fn page_in(&self, object: &Object<Ram>, index: u64) -> Result<(Frame<Ram>, Version), Error> {
        let version = object.version();
        let frame = object.machine().alloc().ok_or(Error::NoMemory)?;
        object.machine().label(frame, Use::File);
        for (n, word) in object.machine().words(frame).iter().enumerate() {
            word.store(file_word(self.0, index * PAGE + n as u64 * 8), Relaxed);
        }
        // SAFETY: it was allocated just now.
        let frame = unsafe { Frame::from_pfn(object.machine(), frame) };
        Ok((frame, version))
    }
}

/// A machine, its files with the pages that are cached of them, and the processes that a test keeps by
/// number.
pub(crate) struct World {
    pub(crate) ram: Ram,
    files: HashMap<u32, File>,
    pub(crate) spaces: Vec<Space>,
    /// Accesses that faulted twice.
    pub(crate) stale: usize,
    /// Whether objects have taken pages out of the tables.
    pub(crate) unmapped: bool,
}

impl World {
    pub(crate) fn new(frames: usize) -> World {
        World::on(Ram::new(frames))
    }

    /// On a machine whose frames are free.
    pub(crate) fn on(ram: Ram) -> World {
        ram.reset_tlbs();
        World {
            ram,
            files: HashMap::new(),
            spaces: vec![],
            stale: 0,
            unmapped: false,
        }
    }

    /// A machine with one empty process, number 0.
    pub(crate) fn with_space(frames: usize) -> World {
        let mut world = World::new(frames);
        world
            .spaces
            .push(Space::new(world.ram.clone()).expect("memory for a root"));
        world
    }

    pub(crate) fn space(&mut self) -> &mut Space {
        &mut self.spaces[0]
    }

    /// Forks process `parent`; the child gets the next number.
    pub(crate) fn fork(&mut self, parent: usize) -> Result<usize, Error> {
        let child = self.spaces[parent].fork()?;
        self.spaces.push(child);
        Ok(self.spaces.len() - 1)
    }

    /// Ends process `p`; the last one takes its number.
    pub(crate) fn exit(&mut self, p: usize) {
        self.ram.leave_everywhere();
        self.spaces.swap_remove(p);
    }

    /// A file, made when it is asked for first.
    pub(crate) fn file(&mut self, number: u32) -> File {
        let new = || File {
            number,
            object: Arc::new(Object::file(self.ram.clone(), FILE_PAGES * PAGE)),
        };
        self.files.entry(number).or_insert_with(new).clone()
    }

    /// The part of a file, for a region.
    pub(crate) fn part(&mut self, file: u32, offset: u64, len: u64) -> ObjectRange<Ram> {
        ObjectRange {
            of: Mappable::File(self.file(file)),
            offset,
            len,
        }
    }

    /// Maps a file privately in process 0.
    pub(crate) fn map_file(
        &mut self,
        start: u64,
        len: u64,
        prot: Prot,
        (file, offset, file_len): (u32, u64, u64),
    ) -> Result<(), Error> {
        let part = self.part(file, offset, file_len);
        self.space().map_object(start, len, prot, part)
    }

    /// The page of the file, read if need be.
    pub(crate) fn cached(&mut self, file: u32, index: u64) -> Option<Page<Ram>> {
        self.file(file)
            .object
            .page(index, &Reader(file))
            .ok()
            .flatten()
    }

    /// The frame of a page that the file's object has.
    pub(crate) fn frame_of(&mut self, file: u32, index: u64) -> Option<Pfn> {
        let page = self.file(file).object.find(index)?;
        Some(page.frame.pfn())
    }

    /// Pages of files that are cached.
    pub(crate) fn cached_pages(&self) -> usize {
        self.files.values().map(|file| file.object.resident()).sum()
    }

    /// Their frames.
    pub(crate) fn cache(&self) -> Vec<Pfn> {
        let pages = |File { object, .. }: &File| {
            let found = (0..FILE_PAGES).filter_map(|index| object.find(index));
            found.map(|page| page.frame.pfn()).collect::<Vec<Pfn>>()
        };
        self.files.values().flat_map(pages).collect()
    }

    /// The files drop all pages, including those that are mapped.
    pub(crate) fn drop_cache(&mut self) {
        for File { object, .. } in self.files.values() {
            let size = object.size();
            object.truncate(0);
            object.write(size..size, |_, _, _| ());
        }
    }

    /// A fault with whatever page it asks for.
    pub(crate) fn fault(&mut self, p: usize, addr: u64, access: Access) -> Result<(), FaultError> {
        match self.spaces[p].fault(addr, access)? {
            Fault::Done => Ok(()),
            Fault::NeedPage { file, index } => {
                let _page = self
                    .cached(file.number, index)
                    .ok_or(FaultError::OutOfMemory)?;
                let again = self.spaces[p].fault(addr, access)?;
                assert_eq!(
                    again,
                    Fault::Done,
                    "a fault at {addr:#x} with the page it asked for"
                );
                Ok(())
            }
        }
    }

    /// The frame that an access by the program reaches, after a fault if it takes one.
    pub(crate) fn access(
        &mut self,
        p: usize,
        addr: u64,
        access: Access,
    ) -> Result<Pfn, FaultError> {
        let root = self.spaces[p].root();
        if let Some(pfn) = reach(&self.ram, root, addr, access) {
            return Ok(pfn);
        }
        self.fault(p, addr, access)?;
        let mut pfn = reach(&self.ram, root, addr, access);
        if pfn.is_none() {
            // The hart remembers that there were fewer rights.
            self.fault(p, addr, access)?;
            self.stale += 1;
            pfn = reach(&self.ram, root, addr, access);
        }
        Ok(pfn.unwrap_or_else(|| panic!("{access:?} at {addr:#x} faults again")))
    }

    pub(crate) fn load(&mut self, p: usize, addr: u64) -> Result<u64, FaultError> {
        let pfn = self.access(p, addr, Access::Read)?;
        Ok(self.ram.words(pfn)[addr as usize % 4096 / 8].load(Relaxed))
    }

    pub(crate) fn store(&mut self, p: usize, addr: u64, value: u64) -> Result<(), FaultError> {
        let pfn = self.access(p, addr, Access::Write)?;
        self.ram.words(pfn)[addr as usize % 4096 / 8].store(value, Relaxed);
        Ok(())
    }

    /// The machine was told what each frame of a space is used for.
    fn check_uses(&self, space: &Space, survey: &Survey) {
        for &table in &survey.tables {
            assert_eq!(self.ram.use_of(table), Some(Use::PageTable), "{table:?}");
        }
        let cache = self.cache();
        for &(addr, pfn, _) in &survey.pages {
            let shared = space.region(addr).is_some_and(|region| region.is_shared());
            let expected = match shared {
                _ if pfn == self.ram.zero_page() => continue,
                _ if cache.contains(&pfn) => Use::File,
                true => Use::Shared,
                false => Use::Anonymous,
            };
            assert_eq!(self.ram.use_of(pfn), Some(expected), "page at {addr:#x}");
        }
    }

    /// Every frame in use must be accounted for by the tables of the processes and the cache, to the
    /// reference; and what the spaces say of themselves must be so. Shared memory has frames that no
    /// table shows: with `hidden`, they are let pass.
    pub(crate) fn audit(&self, hidden: bool) {
        self.check_windows();
        let zero = self.ram.zero_page();
        let mut expected: HashMap<Pfn, u32> = HashMap::new();
        self.cache()
            .into_iter()
            .for_each(|pfn| *expected.entry(pfn).or_default() += 1);
        // A table that several spaces have has one reference to each of its pages.
        let mut tables = HashSet::new();
        for space in &self.spaces {
            self.ram.check_root(space.root());
            let survey = survey(&self.ram, space.root());
            check_numbers(space, &survey, zero);
            // Only the owner takes tables out.
            assert!(survey.empty == 0 || self.unmapped, "a table is empty");
            for (addr, ..) in &survey.pages {
                let mut regions = space.regions();
                let inside = regions.any(|region| region.range().contains(addr));
                assert!(inside, "the page at {addr:#x} is in no region");
            }
            self.check_uses(space, &survey);
            let mut pages = vec![];
            for (table, inside) in survey.leaves {
                if tables.insert(table) {
                    pages.push(inside);
                }
            }
            pages.extend(survey.large);
            let pages = pages.into_iter().flatten().map(|n| survey.pages[n].1);
            let frames = pages.filter(|&pfn| pfn != zero);
            let all = survey.tables.into_iter().chain(frames);
            let mut count = |pfn| *expected.entry(pfn).or_default() += 1;
            all.for_each(&mut count);
            space.page_table().for_each_deposit(&mut count);
        }
        for (pfn, refs) in self.ram.references() {
            let expected = expected.remove(&pfn).unwrap_or(0);
            let fine = refs == expected || hidden && refs == expected + 1;
            assert!(fine, "{pfn:?} has {refs} references, {expected} are known");
        }
        assert!(
            expected.is_empty(),
            "frames in use that are free: {expected:?}"
        );
    }

    /// Drops all processes; then no frame may be in use but those of the cache.
    pub(crate) fn end(mut self) {
        self.ram.leave_everywhere();
        self.spaces.clear();
        self.check_windows();
        self.drop_cache();
        assert_eq!(self.ram.used(), 0, "frames still in use at the end");
        assert_eq!(self.ram.committed(), 0, "frames still promised at the end");
    }
}

impl World {
    /// The windows that objects list must be those of the spaces.
    pub(crate) fn check_windows(&self) {
        let mut listed = HashSet::new();
        let name = |object: &Object<Ram>| std::ptr::from_ref(object).addr();
        let mut list = |object: &Object<Ram>| {
            let name = name(object);
            object.for_each_mapped(|Mapped { table, delta }| {
                listed.insert((name, table.root(), *delta));
            });
        };
        let files = self.files.values();
        files.for_each(|file| list(&file.object));
        let mut shown = HashSet::new();
        for space in &self.spaces {
            for region in space.regions() {
                let Some((object, Mapped { table, delta })) = region.object() else {
                    continue;
                };
                assert_eq!(table.root(), space.root(), "{:x?}", region.range());
                if let Some((_, offset)) = region.file() {
                    assert_eq!(
                        region.start().wrapping_sub(*delta),
                        offset,
                        "offset of the file"
                    );
                }
                list(object);
                shown.insert((name(object), table.root(), *delta));
            }
        }
        assert_eq!(
            listed, shown,
            "windows: listed by objects, those of regions"
        );
    }
}

/// No hart runs on spaces that go. A test that has failed says so once: spaces that are wrong are not
/// taken apart.
impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::take(&mut self.spaces)
                .into_iter()
                .for_each(std::mem::forget);
        } else {
            self.ram.leave_everywhere();
        }
    }
}

/// What a space says of itself must be so.
pub(crate) fn check_numbers(space: &Space, survey: &Survey, zero: Pfn) {
    let stats = space.stats();
    let tables = survey.tables.len();
    assert_eq!(stats.page_tables, tables, "pages of table: said, found");
    let borrowed = |&(_, _, bits): &&(u64, Pfn, u64)| bits & 1 << 9 != 0;
    let zeroes = survey.pages.iter().filter(|page| page.1 == zero);
    assert!(zeroes.clone().all(|page| borrowed(&page)), "zeroes");
    let own = survey.pages.iter().filter(|page| !borrowed(page)).count();
    assert_eq!(stats.resident, own, "the space's own pages: said, found");
    let large = survey.large.len();
    assert_eq!(stats.large, large, "large pages: said, found");
    check_regions(space);
}

/// Regions are in order, not empty, page aligned, apart, and in the user half.
fn check_regions(space: &Space) {
    let mut end = 0;
    let mut count = 0;
    for region in space.regions() {
        let range = region.range();
        assert!(
            end <= range.start && range.start < range.end,
            "{range:x?} behind {end:#x}"
        );
        assert!(
            range.start % PAGE == 0 && range.end % PAGE == 0,
            "{range:x?} is not whole pages"
        );
        assert!(
            range.end <= abi::USER_TOP,
            "{range:x?} leaves the user half"
        );
        end = range.end;
        count += 1;
    }
    assert_eq!(
        space.stats().regions,
        count,
        "number of regions: said, found"
    );
}

/// Start, end, rights and kind of all regions.
pub(crate) fn regions(space: &Space) -> Vec<(u64, u64, Prot, RegionKind)> {
    space
        .regions()
        .map(|r| (r.start(), r.end(), r.prot(), r.kind()))
        .collect()
}
