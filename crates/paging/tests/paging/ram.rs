//! Frames in a vector, full of junk until they are made tables.

use frames::Pfn;
use paging::{Cursor, ENTRIES, Table, Tables};
use std::array::from_fn;
use std::cell::Cell;
use std::sync::atomic::AtomicU64;

/// The first frame is the root, an empty table.
pub(crate) struct Ram {
    frames: Vec<Table>,
    used: Cell<usize>,
}

pub(crate) const ROOT: Pfn = Pfn::new(0);

impl Ram {
    pub(crate) fn new(frames: usize) -> Ram {
        let page = |n| {
            let content = if n == 0 { 0 } else { 0xdead_beef_dead_beef };
            from_fn::<_, ENTRIES, _>(|_| AtomicU64::new(content))
        };
        Ram {
            frames: (0..frames).map(page).collect(),
            used: Cell::new(1),
        }
    }

    pub(crate) fn frame(&self) -> Result<Pfn, &'static str> {
        let next = self.used.get();
        if next == self.frames.len() {
            return Err("no frame");
        }
        self.used.set(next + 1);
        Ok(Pfn::new(next as u32))
    }

    pub(crate) fn at(&self, addr: u64) -> Cursor<&Ram> {
        Cursor::new(self, ROOT, addr)
    }
}

impl Tables for Ram {
    fn table(&self, pfn: Pfn) -> &Table {
        &self.frames[pfn.get() as usize]
    }
}
