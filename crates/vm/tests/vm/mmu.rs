//! The test's own MMU, read from the privileged specification (chapter "Supervisor-Level ISA",
//! Sv32/Sv39 translation) without a look at the crate's module for the same format. It remembers
//! translations until it is told to forget them, so a missing flush shows.

use crate::ram::Ram;
use frames::Pfn;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Flush, SpaceId};

/// A leaf entry that allowed something once.
#[derive(Clone, Copy)]
struct Leaf {
    pfn: Pfn,
    bits: u64,
}

/// What the hart remembers of one space.
#[derive(Default)]
struct Memory {
    leaves: HashMap<u64, Leaf>,
    /// Tables of pages by the 2 MiB they are for. A flush by address is about leaves only and leaves
    /// them standing.
    tables: HashMap<u64, Pfn>,
}

/// The translations that the hart remembers, by the number of the space.
#[derive(Default)]
pub(crate) struct Tlb {
    root: Option<Pfn>,
    current: u16,
    spaces: HashMap<u16, Memory>,
    /// The numbers of spaces that have one, by their roots.
    numbers: HashMap<Pfn, u16>,
    /// How often it was told to forget one page, or all.
    pub(crate) flushes: (usize, usize),
}

impl Tlb {
    pub(crate) fn flush(&mut self, space: SpaceId, range: Flush) {
        match range {
            Flush::Page(addr) => {
                assert_eq!(addr % 4096, 0, "a flush of the page at {addr:#x}");
                self.flushes.0 += 1;
            }
            Flush::All => self.flushes.1 += 1,
        }
        // Nothing here may allocate: allocations may be failing at this moment.
        let Some(memory) = self.spaces.get_mut(&space.0) else {
            return;
        };
        match range {
            Flush::Page(addr) => drop(memory.leaves.remove(&addr)),
            Flush::All => {
                memory.leaves.clear();
                memory.tables.clear();
            }
        }
    }

    /// The hart leaves the space it runs on; translations without a tag go.
    pub(crate) fn leave(&mut self) {
        self.root = None;
        self.spaces.remove(&SpaceId::UNTAGGED.0);
    }

    /// All that is remembered goes, numbers too.
    pub(crate) fn forget(&mut self) {
        let flushes = self.flushes;
        *self = Tlb {
            flushes,
            ..Tlb::default()
        };
    }

    /// The space with this root has a number that no other had before.
    pub(crate) fn tag(&mut self, root: Pfn, number: SpaceId) {
        self.numbers.insert(root, number.0);
        if self.root == Some(root) {
            self.leave();
        }
    }

    /// The hart goes on in another space. What it remembers of spaces with a number stays.
    pub(crate) fn switch(&mut self, root: Pfn) {
        if self.root != Some(root) {
            self.leave();
            self.root = Some(root);
            self.current = self.numbers.get(&root).copied().unwrap_or(0);
        }
    }

    /// By which root, and for which 2 MiB, the hart may walk a table as it runs now.
    pub(crate) fn way_to(&self, table: Pfn) -> Option<(Pfn, u64)> {
        let memory = self.root.and_then(|_| self.spaces.get(&self.current))?;
        let mut tables = memory.tables.iter();
        let found = tables.find(|&(_, &known)| known == table)?;
        Some((self.root?, *found.0))
    }

    fn memory(&mut self) -> &mut Memory {
        self.spaces.entry(self.current).or_default()
    }
}

fn permits(bits: u64, access: Access) -> bool {
    let needs = match access {
        Access::Read => 1 << 1,
        Access::Write => 1 << 2 | 1 << 7,
        Access::Execute => 1 << 3,
    };
    // User mode; and "accessed" must be set already, the hardware does not set it here.
    bits & needs == needs && bits & 1 << 4 != 0 && bits & 1 << 6 != 0
}

fn walk(ram: &Ram, root: Pfn, addr: u64) -> Option<Leaf> {
    let known = ram.tlb().memory().tables.get(&(addr >> 21)).copied();
    let (mut table, levels) = known.map_or((root, 3), |table| (table, 1));
    for level in (0..levels).rev() {
        let shift = 12 + 9 * level;
        let entry = ram.words(table)[(addr >> shift) as usize % 512].load(Relaxed);
        let (valid, r, w, x) = (entry & 1, entry >> 1 & 1, entry >> 2 & 1, entry >> 3 & 1);
        // Reserved: writable without being readable, and bits of extensions.
        if valid == 0 || w > r || entry >> 54 != 0 {
            return None;
        }
        let number = (entry >> 10) & ((1 << 44) - 1);
        let pfn = Pfn::new(number as u32);
        if r == 1 || x == 1 {
            let inside = addr >> 12 & ((1 << (9 * level)) - 1);
            let leaf = Leaf {
                pfn: Pfn::new((number | inside) as u32),
                bits: entry & 0xff,
            };
            // A large page must lie at a multiple of its size.
            return number.is_multiple_of(1 << (9 * level)).then_some(leaf);
        }
        // U, A and D are reserved in a pointer, and G is the kernel's.
        if entry & 0xf0 != 0 {
            return None;
        }
        table = pfn;
        if level == 1 {
            ram.tlb().memory().tables.insert(addr >> 21, table);
        }
    }
    None
}

/// The frame that an access of a user program reaches, or `None` for a page fault.
pub(crate) fn reach(ram: &Ram, root: Pfn, addr: u64, access: Access) -> Option<Pfn> {
    let sign = (addr as i64) << 25 >> 25;
    if sign as u64 != addr || sign < 0 {
        // Not canonical, or the kernel half, whose entries have no U bit.
        return None;
    }
    let page = addr & !4095;
    ram.tlb().switch(root);
    let remembered = ram.tlb().memory().leaves.get(&page).copied();
    if let Some(leaf) = remembered {
        // Without another look at the tables, also where the rights do not suffice.
        return permits(leaf.bits, access).then_some(leaf.pfn);
    }
    let leaf = walk(ram, root, addr).filter(|leaf| permits(leaf.bits, access))?;
    ram.tlb().memory().leaves.insert(page, leaf);
    Some(leaf.pfn)
}

/// All that a root reaches in the user half.
#[derive(Default)]
pub(crate) struct Survey {
    /// Tables, the root among them.
    pub(crate) tables: Vec<Pfn>,
    /// Pages of 4 KiB with their addresses and bits; a large page is 512 of them.
    pub(crate) pages: Vec<(u64, Pfn, u64)>,
    /// Tables of pages, and which of the pages are theirs.
    pub(crate) leaves: Vec<(Pfn, Range<usize>)>,
    /// Large pages, and which of the pages they are.
    pub(crate) large: Vec<Range<usize>>,
}

pub(crate) fn survey(ram: &Ram, root: Pfn) -> Survey {
    let mut survey = Survey::default();
    descend(ram, root, 2, 0, &mut survey);
    survey
}

/// An entry must be of a form that a walker takes, whether any walker comes by or not.
fn check_form(entry: u64, level: u32, addr: u64) {
    let (bits, number) = (entry & 0x3ff, entry >> 10);
    let kept = bits == 1 << 8 && number.is_multiple_of(1 << (9 * level));
    let pointer = bits == 1 && level > 0;
    // V, U and A, and nothing that is the kernel's or the software's; R or X; R and D with W.
    let usable = bits & 0b11_0111_0001 == 0b101_0001 && bits & 0b1010 != 0;
    let writable = bits & 0b100 == 0 || bits & 0b1000_0010 == 0b1000_0010;
    let page = usable && writable && number.is_multiple_of(1 << (9 * level));
    assert!(
        entry == 0 || kept || pointer || page,
        "entry {entry:#x} of level {level} for {addr:#x} is of no known form"
    );
    assert_eq!(
        entry >> 54,
        0,
        "entry {entry:#x} for {addr:#x}: reserved bits"
    );
}

fn descend(ram: &Ram, table: Pfn, level: u32, base: u64, survey: &mut Survey) {
    survey.tables.push(table);
    let before = (survey.tables.len(), survey.pages.len());
    let entries = if level == 2 { 256 } else { 512 };
    for (index, entry) in ram.words(table)[..entries].iter().enumerate() {
        let entry = entry.load(Relaxed);
        let addr = base + ((index as u64) << (12 + 9 * level));
        let number = entry >> 10;
        let pfn = Pfn::new(number as u32);
        check_form(entry, level, addr);
        if entry == 0 {
        } else if entry & 0b1110 != 0 || entry & 1 == 0 {
            // Not valid, and yet something: a frame that is kept for the page.
            assert!(level < 2, "{addr:#x} is in a page of a gigabyte");
            let first = survey.pages.len();
            let small =
                (0..1 << (9 * level)).map(|n| (addr + n * 4096, pfn.plus(n as u32), entry & 0x3ff));
            survey.pages.extend(small);
            if level > 0 {
                survey.large.push(first..survey.pages.len());
            }
        } else {
            descend(ram, pfn, level - 1, addr, survey);
        }
    }
    let after = (survey.tables.len(), survey.pages.len());
    assert!(
        level == 2 || after != before,
        "the table at {base:#x} is empty and still there"
    );
    if level == 0 {
        survey.leaves.push((table, before.1..after.1));
    }
}
