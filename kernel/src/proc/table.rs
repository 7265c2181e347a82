//! The table of all processes: who is whose child, who has which number, who has ended how.
//!
//! Entries are linked by their places, so that adding, ending and collecting a process costs no
//! walk over the table. They lie in pieces of a page, which come and go with their entries: the table
//! never needs pages in a row, and is no larger after many processes than before.

use super::INIT;
use super::process::Process;
use crate::mm::stack;
use crate::sync::{SpinLock, rank};
use abi::{Errno, FIRST_GROUP, PAGE_SIZE};
use core::sync::atomic::{AtomicUsize, Ordering};
use fallible::{AllocError, KArc, KBox};

/// The table.
pub static TABLE: SpinLock<Table, { rank::TABLE }> = SpinLock::new(Table::new());

/// Most processes at once, a boot parameter, so that a fork bomb ends.
static LIMIT: AtomicUsize = AtomicUsize::new(DEFAULT_LIMIT);
const DEFAULT_LIMIT: usize = 512;
/// Of so many places one is left for what `init` and the shell start.
const RESERVE: usize = 64;
/// No boot parameter makes the limit higher: xv6's tests count on fork failing before 1000.
const HIGHEST_LIMIT: usize = 999;
const _: () = assert!(HIGHEST_LIMIT < stack::MOST);

/// Sets the most processes at once.
pub fn set_limit(limit: usize) {
    LIMIT.store(limit.clamp(2, HIGHEST_LIMIT), Ordering::Relaxed);
}

type Place = u16;

struct Entry {
    process: KArc<Process>,
    parent: Option<Place>,
    first_child: Option<Place>,
    previous: Option<Place>,
    next: Option<Place>,
    /// The next entry whose number has the same hash.
    next_hashed: Option<Place>,
    /// Children that have ended and wait to be collected.
    ended_children: u16,
    /// Set once the process has ended.
    status: Option<i32>,
}

/// Entries in a piece, one for each bit of a word.
const PIECE: usize = u64::BITS as usize;
const PIECES: usize = HIGHEST_LIMIT.div_ceil(PIECE);

struct Piece {
    /// A bit for each place in use.
    used: u64,
    entries: [Option<Entry>; PIECE],
}

const _: () = assert!(size_of::<Piece>() <= PAGE_SIZE);

/// Chains of entries by their numbers' hashes.
const CHAINS: usize = 64;

/// See the module.
pub struct Table {
    /// The lowest free place is taken, so that pieces become empty again.
    pieces: [Option<KBox<Piece>>; PIECES],
    chains: [Option<Place>; CHAINS],
    len: usize,
    last_number: i32,
    init: Option<Place>,
}

fn chain(number: i32) -> usize {
    number as usize % CHAINS
}

impl Table {
    const fn new() -> Table {
        Table {
            pieces: [const { None }; PIECES],
            chains: [None; CHAINS],
            len: 0,
            last_number: 0,
            init: None,
        }
    }

    /// Processes, ended ones that nobody has collected among them.
    pub fn len(&self) -> usize {
        self.len
    }

    /// A number no process has.
    pub fn next_number(&mut self) -> i32 {
        loop {
            self.last_number = self.last_number.checked_add(1).unwrap_or(1);
            if self.find(self.last_number).is_none() {
                return self.last_number;
            }
        }
    }

    /// Refuses a new child for this process when there are too many processes. The last places below
    /// the limit are for `init`, the shells that it starts, and what those start.
    pub fn check_room(&self, parent: &Process) -> Result<(), Errno> {
        let limit = LIMIT.load(Ordering::Relaxed);
        let of_shell = parent.pid == INIT || parent.is_of_init();
        let reserve = if of_shell { 0 } else { limit / RESERVE };
        if self.len() >= limit - reserve {
            return Err(Errno::TryAgain);
        }
        Ok(())
    }

    /// Adds a process; the first becomes everybody's last parent. Others begin in their parent's group. A
    /// parent that was killed gets no more children: who kills all of a group looks through the table,
    /// and would not see them.
    pub fn add(&mut self, process: KArc<Process>, parent: Option<&Process>) -> Result<(), Errno> {
        let parent = match parent {
            Some(parent) => {
                self.check_room(parent)?;
                if parent.is_killed() {
                    return Err(Errno::Interrupted);
                }
                process.set_group(parent.group());
                if parent.pid == INIT {
                    process.set_of_init();
                }
                Some(self.find(parent.pid).ok_or(Errno::NoProcess)?)
            }
            None => None,
        };
        if self.find(process.pid).is_some() {
            return Err(Errno::Exists);
        }
        let place = self.put(process)?;
        match parent {
            Some(parent) => self.link_child(parent, place),
            None => self.init = Some(place),
        }
        Ok(())
    }

    /// Puts an entry for a process, which is nobody's child yet, into the lowest free place.
    fn put(&mut self, process: KArc<Process>) -> Result<Place, AllocError> {
        let room = |piece: &Option<KBox<Piece>>| piece.as_ref().is_none_or(|p| p.used != u64::MAX);
        let number = self.pieces.iter().position(room).ok_or(AllocError)?;
        let slot = self.pieces.get_mut(number).ok_or(AllocError)?;
        let piece: &mut Piece = match slot {
            Some(piece) => piece,
            None => slot.insert(KBox::try_new_with(|| Piece {
                used: 0,
                entries: [const { None }; PIECE],
            })?),
        };
        let bit = piece.used.trailing_ones() as usize;
        let place = (number * PIECE + bit) as Place;
        let entry = piece.entries.get_mut(bit).ok_or(AllocError)?;
        piece.used |= 1 << bit;
        let first = &mut self.chains[chain(process.pid)];
        *entry = Some(Entry {
            process,
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            next_hashed: first.replace(place),
            ended_children: 0,
            status: None,
        });
        self.len += 1;
        Ok(place)
    }

    /// Frees a place whose entry is nobody's child or parent.
    fn release(&mut self, place: Place) -> Option<Entry> {
        self.unlink_hashed(place);
        let slot = self.pieces.get_mut(usize::from(place) / PIECE)?;
        let piece = slot.as_mut()?;
        let bit = usize::from(place) % PIECE;
        let entry = piece.entries.get_mut(bit)?.take()?;
        piece.used &= !(1 << bit);
        if piece.used == 0 {
            *slot = None;
        }
        self.len -= 1;
        Some(entry)
    }

    fn unlink_hashed(&mut self, place: Place) {
        let Some(entry) = self.entry(place) else {
            return;
        };
        let (chain, next) = (chain(entry.process.pid), entry.next_hashed);
        let mut at = self.chains[chain];
        if at == Some(place) {
            self.chains[chain] = next;
            return;
        }
        while let Some(before) = at.and_then(|at| self.entry_mut(at)) {
            at = before.next_hashed;
            if at == Some(place) {
                before.next_hashed = next;
                return;
            }
        }
    }

    fn find(&self, number: i32) -> Option<Place> {
        let mut at = self.chains[chain(number)];
        while let Some(place) = at {
            let entry = self.entry(place)?;
            if entry.process.pid == number {
                return Some(place);
            }
            at = entry.next_hashed;
        }
        None
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        let piece = self.pieces.get(usize::from(place) / PIECE)?.as_ref()?;
        piece.entries.get(usize::from(place) % PIECE)?.as_ref()
    }

    fn entry_mut(&mut self, place: Place) -> Option<&mut Entry> {
        let piece = self.pieces.get_mut(usize::from(place) / PIECE)?.as_mut()?;
        piece.entries.get_mut(usize::from(place) % PIECE)?.as_mut()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        let pieces = self.pieces.iter().flatten();
        pieces.flat_map(|piece| piece.entries.iter().flatten())
    }

    fn parent_number(&self, entry: &Entry) -> Option<i32> {
        let parent = entry.parent.and_then(|place| self.entry(place))?;
        Some(parent.process.pid)
    }

    fn link_child(&mut self, parent: Place, child: Place) {
        let Some(of_parent) = self.entry_mut(parent) else {
            return;
        };
        let second = of_parent.first_child.replace(child);
        if let Some(second) = second.and_then(|place| self.entry_mut(place)) {
            second.previous = Some(child);
        }
        if let Some(entry) = self.entry_mut(child) {
            entry.parent = Some(parent);
            entry.previous = None;
            entry.next = second;
        }
    }

    fn unlink_child(&mut self, child: Place) {
        let Some(entry) = self.entry_mut(child) else {
            return;
        };
        let (parent, previous, next) = (
            entry.parent.take(),
            entry.previous.take(),
            entry.next.take(),
        );
        if let Some(next) = next.and_then(|place| self.entry_mut(place)) {
            next.previous = previous;
        }
        match previous {
            Some(previous) => {
                if let Some(previous) = self.entry_mut(previous) {
                    previous.next = next;
                }
            }
            None => {
                if let Some(parent) = parent.and_then(|place| self.entry_mut(place)) {
                    parent.first_child = next;
                }
            }
        }
    }

    /// The process with this number.
    pub fn get(&self, number: i32) -> Option<&KArc<Process>> {
        self.find(number)
            .and_then(|place| self.entry(place))
            .map(|entry| &entry.process)
    }

    /// The process with this number, or else with the next higher one, and its parent's number. It
    /// takes a walk over the table.
    pub fn from(&self, number: i32) -> Option<(&KArc<Process>, Option<i32>)> {
        let behind = self.entries().filter(|e| e.process.pid >= number);
        let entry = behind.min_by_key(|entry| entry.process.pid)?;
        Some((&entry.process, self.parent_number(entry)))
    }

    /// Records that a process has ended: its children become init's, its parent is told. Gives the
    /// processes to wake, who wait for children: the parent, and init if it got ended children.
    pub fn end(&mut self, number: i32, status: i32) -> [Option<KArc<Process>>; 2] {
        let Some(place) = self.find(number) else {
            return [None, None];
        };
        let init = self.adopt_children(place);
        let parent = self.entry_mut(place).and_then(|entry| {
            entry.status = Some(status);
            entry.parent
        });
        let parent = parent
            .and_then(|place| self.entry_mut(place))
            .map(|parent| {
                parent.ended_children += 1;
                parent.process.clone()
            });
        [parent, init]
    }

    fn adopt_children(&mut self, place: Place) -> Option<KArc<Process>> {
        let init = self.init?;
        let mut ended = 0;
        while let Some(child) = self.entry(place).and_then(|entry| entry.first_child) {
            self.unlink_child(child);
            self.link_child(init, child);
            ended += u16::from(self.entry(child).is_some_and(|e| e.status.is_some()));
        }
        if let Some(entry) = self.entry_mut(place) {
            entry.ended_children = 0;
        }
        let entry = self.entry_mut(init)?;
        entry.ended_children += ended;
        (ended > 0).then(|| entry.process.clone())
    }

    /// Number and status of an ended child of this process; `Ok(None)` while all of them run.
    pub fn ended_child(&self, number: i32) -> Result<Option<(i32, i32)>, Errno> {
        let parent = self.find(number).and_then(|place| self.entry(place));
        let parent = parent.ok_or(Errno::NoProcess)?;
        let mut next = parent.first_child;
        if next.is_none() {
            return Err(Errno::NoChild);
        }
        if parent.ended_children == 0 {
            return Ok(None);
        }
        while let Some(entry) = next.and_then(|place| self.entry(place)) {
            if let Some(status) = entry.status {
                return Ok(Some((entry.process.pid, status)));
            }
            next = entry.next;
        }
        Ok(None)
    }

    /// Takes an ended child, as [`Table::ended_child`] names it, out of the table.
    pub fn collect(&mut self, parent: i32, child: i32) -> Option<KArc<Process>> {
        let place = self.find(child)?;
        self.take(place, parent)
    }

    fn take(&mut self, place: Place, parent: i32) -> Option<KArc<Process>> {
        self.unlink_child(place);
        if let Some(parent) = self.find(parent).and_then(|place| self.entry_mut(place)) {
            parent.ended_children -= 1;
        }
        Some(self.release(place)?.process)
    }

    /// Whether a process that `init` started is above this one. What is not below such a one any more was
    /// left behind by who started it.
    fn is_below_shell(&self, entry: &Entry) -> bool {
        let parent = |entry: &Entry| self.entry(entry.parent?);
        core::iter::successors(parent(entry), |entry| parent(entry))
            .any(|above| above.process.is_of_init())
    }

    /// The processes that make up the job with this group: all of the group that have not ended, but never
    /// `init`. In the first group, which shells are in that make no others, these are the ones below shells.
    pub fn job(&self, group: i32) -> impl Iterator<Item = &KArc<Process>> {
        let of_job = move |entry: &&Entry| {
            let lives = entry.status.is_none() && entry.process.group() == group;
            let may_end = entry.process.pid != INIT;
            lives && may_end && (group != FIRST_GROUP || self.is_below_shell(entry))
        };
        self.entries().filter(of_job).map(|entry| &entry.process)
    }

    /// Whether a process has this group, be it one that has ended.
    pub fn has_group(&self, group: i32) -> bool {
        self.entries().any(|entry| entry.process.group() == group)
    }

    /// The process with this number, if it is the given one or a child of that.
    pub fn own_or_child(&self, number: i32, own: i32) -> Option<&Process> {
        let entry = self.find(number).and_then(|place| self.entry(place))?;
        (number == own || self.parent_number(entry) == Some(own)).then_some(&entry.process)
    }

    /// Calls `visit` for each process, in the order of their places, with the parent's number.
    pub fn for_each(&self, mut visit: impl FnMut(&Process, Option<i32>)) {
        self.entries()
            .for_each(|entry| visit(&entry.process, self.parent_number(entry)));
    }
}
