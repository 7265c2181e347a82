//! Accounts of all frames: who has which, and whether what they have is what is in use.

use crate::mmu::survey;
use crate::world::{World, check_numbers};
use frames::Pfn;
use std::collections::HashMap;
use std::ops::Range;
use vm::Machine;

/// What one space has a reference to by itself.
#[derive(Default)]
struct Account {
    /// Its tables, the frames of its large pages, and its deposits.
    frames: Vec<Pfn>,
    /// Those of the tables that have pages.
    leaves: Vec<Pfn>,
}

/// A table of pages: how many spaces have it, and its frames.
type Leaf = (usize, Vec<Pfn>);

/// Frames of the spaces and of the page cache, as they were found last.
#[derive(Default)]
pub(crate) struct Ledger {
    /// References that are known, by frame.
    known: Vec<u32>,
    spaces: Vec<Account>,
    leaves: HashMap<Pfn, Leaf>,
    cache: Vec<Pfn>,
    /// Looks at a space so far that found large pages, and that found tables of several spaces.
    pub(crate) seen: (u64, u64),
}

impl Ledger {
    /// Looks at one space again. Gives the pages that it shows, with their addresses.
    pub(crate) fn look_at(&mut self, world: &World, p: usize) -> Vec<(u64, Pfn, u64)> {
        let space = &world.spaces[p];
        let zero = world.ram.zero_page();
        world.ram.check_root(space.root());
        let survey = survey(&world.ram, space.root());
        check_numbers(space, &survey, zero);
        self.spaces
            .resize_with(world.spaces.len(), Account::default);
        let old = std::mem::take(&mut self.spaces[p]);
        self.close(old);
        let frames = |inside: Range<usize>| {
            let shown = survey.pages[inside].iter().map(|page| page.1);
            shown.filter(|&pfn| pfn != zero).collect::<Vec<Pfn>>()
        };
        let mut account = Account::default();
        self.seen.0 += u64::from(!survey.large.is_empty());
        for (table, inside) in survey.leaves {
            account.leaves.push(table);
            let frames = frames(inside);
            if let Some((users, known)) = self.leaves.get_mut(&table) {
                *users += 1;
                self.seen.1 += 1;
                assert_eq!(
                    *known, frames,
                    "the table {table:?} of several spaces changed"
                );
            } else {
                self.enter(&frames);
                self.leaves.insert(table, (1, frames));
            }
        }
        account.frames = survey.tables;
        account
            .frames
            .extend(survey.large.into_iter().flat_map(frames));
        let spare = |pfn| account.frames.push(pfn);
        space.page_table().for_each_deposit(spare);
        self.enter(&account.frames);
        self.spaces[p] = account;
        survey.pages
    }

    /// Process `p` has ended; the last one has taken its number.
    pub(crate) fn ended(&mut self, p: usize) {
        let old = self.spaces.swap_remove(p);
        self.close(old);
    }

    fn close(&mut self, account: Account) {
        self.strike(&account.frames);
        for table in account.leaves {
            let (users, frames) = self.leaves.remove(&table).expect("the table was seen");
            if users > 1 {
                self.leaves.insert(table, (users - 1, frames));
            } else {
                self.strike(&frames);
            }
        }
    }

    /// Every reference to a frame must be known, but for those of frames of shared memory, of which
    /// there must be `hidden`.
    pub(crate) fn balance(&mut self, world: &World, hidden: usize) {
        let cache = world.cache();
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
