//! Storage of the table's entries.
//!
//! Entries are in chunks of at most a page, allocated and freed on demand: the table never needs contiguous pages,
//! and shrinks after many processes.

use crate::Identity;
use abi::PAGE_SIZE;
use core::ops::Deref;
use fallible::{AllocError, KArc, KBox};

/// Most processes at once: xv6's tests expect fork to fail before 1000.
pub const MAX_PROCESSES: usize = 999;

/// Index of an entry, fixed while the entry exists.
pub type Slot = u16;

/// A process in the table. Parent, children and siblings are linked by slot.
pub struct Entry<P> {
    pub process: KArc<P>,
    pub parent: Option<Slot>,
    pub first_child: Option<Slot>,
    pub previous: Option<Slot>,
    pub next: Option<Slot>,
    /// The next entry in the same hash bucket.
    next_hashed: Option<Slot>,
    /// Number of zombie children.
    pub ended_children: u16,
    /// Exit status of a zombie.
    pub status: Option<i32>,
}

/// Entries in a chunk, one for each bit of `used`.
const CHUNK: usize = u64::BITS as usize;
const CHUNKS: usize = MAX_PROCESSES.div_ceil(CHUNK);

struct Chunk<P> {
    /// Bitmap of slots in use.
    used: u64,
    entries: [Option<Entry<P>>; CHUNK],
}

const _: () = assert!(size_of::<Chunk<()>>() <= PAGE_SIZE);

/// Hash buckets.
const BUCKETS: usize = 64;

/// The entries, by slot and, hashed, by PID.
pub struct Slots<P> {
    /// New entries take the lowest free slot, so that chunks become empty again.
    chunks: [Option<KBox<Chunk<P>>>; CHUNKS],
    buckets: [Option<Slot>; BUCKETS],
    count: usize,
}

fn bucket(pid: i32) -> usize {
    pid as usize % BUCKETS
}

impl<P: Deref<Target = Identity>> Slots<P> {
    pub const fn new() -> Slots<P> {
        Slots {
            chunks: [const { None }; CHUNKS],
            buckets: [None; BUCKETS],
            count: 0,
        }
    }

    /// Number of entries.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Inserts an entry without parent and children into the lowest free slot.
    pub fn insert(&mut self, process: KArc<P>) -> Result<Slot, AllocError> {
        let room = |chunk: &Option<KBox<Chunk<P>>>| chunk.as_ref().is_none_or(|p| p.used != !0);
        let number = self.chunks.iter().position(room).ok_or(AllocError)?;
        let chunk_slot = self.chunks.get_mut(number).ok_or(AllocError)?;
        let chunk: &mut Chunk<P> = match chunk_slot {
            Some(chunk) => chunk,
            None => chunk_slot.insert(KBox::try_new_with(|| Chunk {
                used: 0,
                entries: [const { None }; CHUNK],
            })?),
        };
        let bit = chunk.used.trailing_ones() as usize;
        let slot = (number * CHUNK + bit) as Slot;
        let entry = chunk.entries.get_mut(bit).ok_or(AllocError)?;
        chunk.used |= 1 << bit;
        let first = &mut self.buckets[bucket(process.pid)];
        *entry = Some(Entry {
            process,
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            next_hashed: first.replace(slot),
            ended_children: 0,
            status: None,
        });
        self.count += 1;
        Ok(slot)
    }

    /// Removes an entry that has no parent and no children.
    pub fn remove(&mut self, slot: Slot) -> Option<Entry<P>> {
        self.unlink_hashed(slot);
        let chunk_slot = self.chunks.get_mut(usize::from(slot) / CHUNK)?;
        let chunk = chunk_slot.as_mut()?;
        let bit = usize::from(slot) % CHUNK;
        let entry = chunk.entries.get_mut(bit)?.take()?;
        chunk.used &= !(1 << bit);
        if chunk.used == 0 {
            *chunk_slot = None;
        }
        self.count -= 1;
        Some(entry)
    }

    fn unlink_hashed(&mut self, slot: Slot) {
        let Some(entry) = self.get(slot) else {
            return;
        };
        let (bucket, next) = (bucket(entry.process.pid), entry.next_hashed);
        let mut at = self.buckets[bucket];
        if at == Some(slot) {
            self.buckets[bucket] = next;
            return;
        }
        while let Some(before) = at.and_then(|at| self.get_mut(at)) {
            at = before.next_hashed;
            if at == Some(slot) {
                before.next_hashed = next;
                return;
            }
        }
    }

    /// The slot of the process with this PID.
    pub fn find(&self, pid: i32) -> Option<Slot> {
        let mut at = self.buckets[bucket(pid)];
        while let Some(slot) = at {
            let entry = self.get(slot)?;
            if entry.process.pid == pid {
                return Some(slot);
            }
            at = entry.next_hashed;
        }
        None
    }

    pub fn get(&self, slot: Slot) -> Option<&Entry<P>> {
        let chunk = self.chunks.get(usize::from(slot) / CHUNK)?.as_ref()?;
        chunk.entries.get(usize::from(slot) % CHUNK)?.as_ref()
    }

    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Entry<P>> {
        let chunk = self.chunks.get_mut(usize::from(slot) / CHUNK)?.as_mut()?;
        chunk.entries.get_mut(usize::from(slot) % CHUNK)?.as_mut()
    }

    /// All entries, by slot.
    pub fn iter(&self) -> impl Iterator<Item = &Entry<P>> {
        let chunks = self.chunks.iter().flatten();
        chunks.flat_map(|chunk| chunk.entries.iter().flatten())
    }
}
