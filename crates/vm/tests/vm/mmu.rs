//! The test's own MMU, read from the privileged specification (chapter "Supervisor-Level ISA",
//! Sv32/Sv39 translation) without a look at the crate's module for the same format. Each hart has a TLB
//! that keeps translations until it is flushed, so a missing flush shows.

use crate::ram::Ram;
use frames::Pfn;
use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;
use vm::asid::Entrance;
use vm::{Access, Flush};

/// Harts of every machine.
pub(crate) const HARTS: usize = 2;

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// The hart that this thread is.
pub(crate) fn here() -> usize {
    HERE.get()
}

/// From now on this thread is that hart.
pub(crate) fn go_to(hart: usize) {
    HERE.set(hart);
}

/// A leaf entry that allowed something once.
#[derive(Clone, Copy)]
struct Leaf {
    pfn: Pfn,
    bits: u64,
}

/// What a TLB has under one ASID.
#[derive(Default)]
struct Memory {
    leaves: HashMap<u64, Leaf>,
    /// Tables of pages by the 2 MiB they are for. A flush by address is about leaves only and leaves
    /// them standing.
    tables: HashMap<u64, Pfn>,
}

impl Memory {
    fn flush(&mut self, stale: Flush) {
        match stale {
            Flush::Nothing => {}
            Flush::Page(addr) => {
                assert_eq!(addr % 4096, 0, "a flush of the page at {addr:#x}");
                self.leaves.remove(&addr);
            }
            Flush::Space | Flush::All => {
                self.leaves.clear();
                self.tables.clear();
            }
        }
    }
}

/// One hart's.
#[derive(Default)]
pub(crate) struct Tlb {
    /// The root table that the hart walks, if it runs a space, and the ASID.
    root: Option<Pfn>,
    asid: u16,
    spaces: HashMap<u16, Memory>,
    /// How often this hart saw to it that a page, or a space, was flushed.
    pub(crate) flushes: (usize, usize),
}

impl Tlb {
    pub(crate) fn count(&mut self, stale: Flush) {
        match stale {
            Flush::Page(_) => self.flushes.0 += 1,
            _ => self.flushes.1 += 1,
        }
    }

    /// The hart flushes what is stale in the space that it runs. Nothing here may allocate: allocations may
    /// be failing at this moment.
    pub(crate) fn flush(&mut self, stale: Flush) {
        if let Some(memory) = self.spaces.get_mut(&self.asid) {
            memory.flush(stale);
        }
    }

    /// Another hart has it flushed, under any ASID.
    pub(crate) fn flush_all_asids(&mut self, stale: Flush) {
        let spaces = self.spaces.values_mut();
        spaces.for_each(|memory| memory.flush(stale));
    }

    /// The root table that the hart walks, if it runs a space.
    pub(crate) fn root(&self) -> Option<Pfn> {
        self.root
    }

    /// The hart runs this space from now on, or none. Returns the one before.
    pub(crate) fn load(&mut self, root: Option<Pfn>, entrance: Entrance) -> Option<Pfn> {
        self.asid = entrance.asid;
        match entrance.flush {
            Flush::All => self.spaces.clear(),
            stale => self.flush(stale),
        }
        std::mem::replace(&mut self.root, root)
    }

    /// All that it has goes.
    pub(crate) fn reset(&mut self) {
        let flushes = self.flushes;
        *self = Tlb {
            flushes,
            ..Tlb::default()
        };
    }

    fn active(&self) -> Option<(Pfn, &Memory)> {
        Some((self.root?, self.spaces.get(&self.asid)?))
    }

    /// By which root, and for which 2 MiB, the hart may walk a table as it runs now.
    pub(crate) fn way_to(&self, table: Pfn) -> Option<(Pfn, u64)> {
        let (root, memory) = self.active()?;
        let mut tables = memory.tables.iter();
        let found = tables.find(|&(_, &known)| known == table)?;
        Some((root, *found.0))
    }

    /// Whether an access of what the hart runs may come to this frame, without a look at the table.
    pub(crate) fn reaches(&self, pfn: Pfn) -> bool {
        let leaves =
            |(_, memory): (Pfn, &Memory)| memory.leaves.values().any(|leaf| leaf.pfn == pfn);
        self.active().is_some_and(leaves)
    }

    fn memory(&mut self) -> &mut Memory {
        self.spaces.entry(self.asid).or_default()
    }

    /// Everything that the hart may use is what the page table of its space says, with no more rights.
    pub(crate) fn check(&self, ram: &Ram) {
        let Some((root, memory)) = self.active() else {
            return;
        };
        for (&page, &leaf) in &memory.leaves {
            let now = walk_from(ram, (root, 3), page, |_, _| {});
            check_leaf(leaf, now, page);
        }
    }
}

/// What a TLB has of a page must be there still, with no fewer rights.
fn check_leaf(leaf: Leaf, now: Option<Leaf>, page: u64) {
    let fine = now.is_some_and(|now| now.pfn == leaf.pfn && leaf.bits & 0xe & !now.bits == 0);
    let now = now.map(|now| (now.pfn, now.bits));
    assert!(
        fine,
        "a TLB has {:?} with {:#x} for {page:#x}, where the table has {now:x?}",
        leaf.pfn, leaf.bits
    );
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

fn walk(ram: &Ram, tlb: &mut Tlb, root: Pfn, addr: u64) -> Option<Leaf> {
    let memory = tlb.memory();
    let known = memory.tables.get(&(addr >> 21)).copied();
    let from = known.map_or((root, 3), |table| (table, 1));
    walk_from(ram, from, addr, |chunk, table| {
        memory.tables.insert(chunk, table);
    })
}

/// Walks from a table of a level, counted from 1; tells of the table of pages that it comes to.
fn walk_from(
    ram: &Ram,
    (mut table, levels): (Pfn, u32),
    addr: u64,
    mut tell: impl FnMut(u64, Pfn),
) -> Option<Leaf> {
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
            tell(addr >> 21, table);
        }
    }
    None
}

/// The frame that an access of a user program reaches on this hart, or `None` for a page fault. The hart
/// enters the space with this root first.
pub(crate) fn reach(ram: &Ram, root: Pfn, addr: u64, access: Access) -> Option<Pfn> {
    reach_with(ram, root, addr, access, |pfn| pfn)
}

/// As [`reach`]; the access is over when `act` is, and no flush of the TLB comes in between.
pub(crate) fn reach_with<R>(
    ram: &Ram,
    root: Pfn,
    addr: u64,
    access: Access,
    act: impl FnOnce(Pfn) -> R,
) -> Option<R> {
    let sign = (addr as i64) << 25 >> 25;
    if sign as u64 != addr || sign < 0 {
        // Not canonical, or the kernel half, whose entries have no U bit.
        return None;
    }
    let page = addr & !4095;
    ram.enter(root);
    let mut tlb = ram.tlb();
    let remembered = tlb.memory().leaves.get(&page).copied();
    let leaf = match remembered {
        // Without another look at the tables, also where the rights do not suffice.
        Some(leaf) => Some(leaf),
        None => walk(ram, &mut tlb, root, addr),
    };
    let leaf = leaf.filter(|leaf| permits(leaf.bits, access))?;
    if remembered.is_none() {
        tlb.memory().leaves.insert(page, leaf);
    }
    Some(act(leaf.pfn))
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
    /// The tables without an entry.
    pub(crate) empty: usize,
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
    // The software's mark, on entries for 2 MiB.
    let bits = if level == 1 { bits & !(1 << 8) } else { bits };
    // "Not the space's own" goes with anything that is a page.
    let kept = bits & 0x1ff == 1 << 4 && number.is_multiple_of(1 << (9 * level));
    let pointer = bits == 1 && level > 0;
    // V, U and A, and nothing that is the kernel's or the software's; R or X; R and D with W.
    let usable = bits & 0b01_0111_0001 == 0b101_0001 && bits & 0b1010 != 0;
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
    survey.empty += usize::from(level < 2 && after == before);
    if level == 0 {
        survey.leaves.push((table, before.1..after.1));
    }
}
