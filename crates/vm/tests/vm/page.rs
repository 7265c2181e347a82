//! A page of the model, and memory that several processes of the model share.

use crate::world::PAGE;
use abi::Prot;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Two words of each page, the first and the last, stand for its contents.
pub(crate) type Words = [u64; 2];

/// Which of the two words `addr` means.
pub(crate) fn word_of(addr: u64) -> (usize, u64) {
    let word = usize::from(addr % PAGE >= PAGE / 2);
    (word, addr / PAGE * PAGE + word as u64 * (PAGE - 8))
}

/// Whether the program may unmap a page.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Program,
    Heap,
    Mapping,
}

/// Memory that several processes share.
pub(crate) struct Object {
    pub(crate) words: RefCell<BTreeMap<u64, Words>>,
    /// Pages that were made.
    pub(crate) made: RefCell<BTreeSet<u64>>,
    /// Levels of tables, below an array of 512 links, that its size at first asks for.
    levels: u32,
}

impl Object {
    pub(crate) fn new(pages: u64) -> Rc<Object> {
        Rc::new(Object {
            words: RefCell::default(),
            made: RefCell::default(),
            levels: levels_for(pages),
        })
    }

    /// Pages and tables that the memory consists of.
    pub(crate) fn frames(&self) -> usize {
        let made = self.made.borrow();
        let Some(last) = made.last() else { return 0 };
        let levels = self.levels.max(levels_for(last + 1));
        let tables = |level: u32| {
            let numbers: BTreeSet<u64> = made.iter().map(|index| index >> (9 * level)).collect();
            numbers.len()
        };
        (0..=levels).map(tables).sum()
    }
}

fn levels_for(pages: u64) -> u32 {
    (0..).find(|level| pages <= 512 << (9 * level)).unwrap_or(0)
}

#[derive(Clone)]
pub(crate) enum Content {
    /// The owner's alone.
    Own(Words),
    Shared(Rc<Object>, u64),
}

#[derive(Clone)]
pub(crate) struct Page {
    pub(crate) prot: Prot,
    pub(crate) kind: Kind,
    pub(crate) content: Content,
    /// What it shows when its memory was given back.
    pub(crate) first: Words,
    pub(crate) of_file: bool,
}

impl Page {
    pub(crate) fn new(prot: Prot, kind: Kind, words: Words) -> Page {
        Page {
            prot: with_read(prot),
            kind,
            content: Content::Own(words),
            first: words,
            of_file: false,
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.content, Content::Shared(..))
    }

    /// Whether the page behind could belong to the same mapping.
    pub(crate) fn continues_in(&self, next: &Page) -> bool {
        self.prot == next.prot
            && self.kind == next.kind
            && match (&self.content, &next.content) {
                (Content::Own(_), Content::Own(_)) => true,
                (Content::Shared(a, i), Content::Shared(b, j)) => Rc::ptr_eq(a, b) && i + 1 == *j,
                _ => false,
            }
    }

    /// The page behind, when the mapping grows.
    pub(crate) fn next(&self) -> Page {
        let mut next = Page::new(self.prot, self.kind, [0; 2]);
        if let Content::Shared(object, index) = &self.content {
            next.content = Content::Shared(object.clone(), index + 1);
        }
        next
    }
}

pub(crate) fn with_read(prot: Prot) -> Prot {
    if prot.contains(Prot::WRITE) {
        prot | Prot::READ
    } else {
        prot
    }
}
