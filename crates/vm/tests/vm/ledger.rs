//! Accounts of all frames: who has which, and whether what they have is what is in use.

use crate::mmu::survey;
use crate::world::{Space, World, check_regions};
use frames::Pfn;
use vm::Machine;

/// Frames of the spaces and of the page cache, as they were found last.
#[derive(Default)]
pub(crate) struct Ledger {
    /// References that are known, by frame.
    known: Vec<u32>,
    /// Those of each space.
    spaces: Vec<Vec<Pfn>>,
    cache: Vec<Pfn>,
}

impl Ledger {
    /// Looks at one space again. Gives the pages that it shows, with their addresses.
    pub(crate) fn look_at(&mut self, world: &World, p: usize) -> Vec<(u64, Pfn, u64)> {
        let space = &world.spaces[p];
        let zero = world.ram.zero_page();
        world.ram.check_root(space.root());
        let (tables, pages) = survey(&world.ram, space.root());
        let shown = pages.iter().map(|page| page.1);
        let mut frames: Vec<Pfn> = shown.filter(|&pfn| pfn != zero).collect();
        check_numbers(space, tables.len(), frames.len());
        frames.extend(tables);
        self.spaces.resize_with(world.spaces.len(), Vec::new);
        self.enter(&frames);
        let old = std::mem::replace(&mut self.spaces[p], frames);
        self.strike(&old);
        pages
    }

    /// Process `p` has ended; the last one has taken its number.
    pub(crate) fn ended(&mut self, p: usize) {
        let old = self.spaces.swap_remove(p);
        self.strike(&old);
    }

    /// Every reference to a frame must be known, but for those of frames of shared memory, of which
    /// there must be `hidden`.
    pub(crate) fn balance(&mut self, world: &World, hidden: usize) {
        let cache: Vec<Pfn> = world.cache.values().copied().collect();
        self.enter(&cache);
        let old = std::mem::replace(&mut self.cache, cache);
        self.strike(&old);
        let mut unknown = 0;
        let frames = world.ram.counts();
        self.known.resize(frames.len(), 0);
        for (index, (refs, &known)) in frames.zip(&self.known).enumerate() {
            let more = refs.checked_sub(known).filter(|&more| more <= 1);
            let Some(more) = more else {
                panic!("frame {index} has {refs} references, {known} are known");
            };
            unknown += more as usize;
        }
        assert_eq!(unknown, hidden, "frames of shared memory: found, expected");
    }

    fn enter(&mut self, frames: &[Pfn]) {
        for pfn in frames {
            let index = crate::ram::index_of(*pfn);
            if self.known.len() <= index {
                self.known.resize(index + 1, 0);
            }
            self.known[index] += 1;
        }
    }

    fn strike(&mut self, frames: &[Pfn]) {
        for pfn in frames {
            self.known[crate::ram::index_of(*pfn)] -= 1;
        }
    }
}

/// What a space says of itself must be so.
fn check_numbers(space: &Space, tables: usize, resident: usize) {
    let stats = space.stats();
    assert_eq!(stats.page_tables, tables, "pages of table: said, found");
    assert_eq!(stats.resident, resident, "resident pages: said, found");
    check_regions(space);
}
