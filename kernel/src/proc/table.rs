//! The table of all processes: who is whose child, who has which number, who has ended how.
//!
//! Entries are linked by their places, so that adding, ending and collecting a process costs no
//! walk over the table.

use super::{INIT, Process};
use crate::mm::ram::frames;
use crate::sync::{SpinLock, rank};
use abi::Errno;
use core::sync::atomic::{AtomicUsize, Ordering};
use frames::Shrinker;
use kmalloc::{KArc, KVec};

/// The table.
pub static TABLE: SpinLock<Table, { rank::TABLE }> = SpinLock::new(Table::new());

/// Most processes at once, a boot parameter, so that a fork bomb ends.
static LIMIT: AtomicUsize = AtomicUsize::new(DEFAULT_LIMIT);
const DEFAULT_LIMIT: usize = 512;
/// Of so many places one is left for what `init` and the shell start.
const RESERVE: usize = 64;
/// No boot parameter makes the limit higher: xv6's tests count on fork failing before 1000.
pub const HIGHEST_LIMIT: usize = 999;

/// Sets the most processes at once.
pub fn set_limit(limit: usize) {
    LIMIT.store(limit.clamp(2, HIGHEST_LIMIT), Ordering::Relaxed);
}

type Place = u32;

struct Entry {
    process: KArc<Process>,
    parent: Option<Place>,
    first_child: Option<Place>,
    previous: Option<Place>,
    next: Option<Place>,
    /// Children that have ended and wait to be collected.
    ended_children: usize,
    /// Set once the process has ended.
    status: Option<i32>,
}

/// See the module.
pub struct Table {
    /// By place; the last one is never empty.
    entries: KVec<Option<Entry>>,
    /// A bit for each place in use. The lowest free place is taken, so that the table can become
    /// shorter again.
    used: [u64; HIGHEST_LIMIT.div_ceil(64)],
    /// Number and place of each process, in order of the numbers.
    numbers: KVec<(i32, Place)>,
    last_number: i32,
    init: Option<Place>,
}

/// The room in the table that no process uses at the moment.
struct Slack;
static SLACK: Slack = Slack;

/// Lets the allocator ask for room in the table back.
pub fn init() {
    frames().register_shrinker(&SLACK);
}

impl Shrinker for Slack {
    fn shrink(&self, _wanted: usize) -> usize {
        if let Some(mut table) = TABLE.try_lock() {
            table.entries.shrink();
            table.numbers.shrink();
        }
        0
    }

    fn reclaimable(&self) -> usize {
        0
    }
}

impl Table {
    const fn new() -> Table {
        Table {
            entries: KVec::new(),
            used: [0; HIGHEST_LIMIT.div_ceil(64)],
            numbers: KVec::new(),
            last_number: 0,
            init: None,
        }
    }

    /// Processes, ended ones that nobody has collected among them.
    pub fn len(&self) -> usize {
        self.numbers.len()
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

    /// Adds a process; the first becomes everybody's last parent.
    pub fn add(&mut self, process: KArc<Process>, parent: Option<&Process>) -> Result<(), Errno> {
        let parent = match parent {
            Some(parent) => {
                self.check_room(parent)?;
                if parent.pid == INIT {
                    process.set_of_init();
                }
                Some(self.find(parent.pid).ok_or(Errno::NoProcess)?)
            }
            None => None,
        };
        self.reserve()?;
        let number = process.pid;
        let Err(position) = self.numbers.binary_search_by_key(&number, |&(n, _)| n) else {
            return Err(Errno::Exists);
        };
        let entry = Entry {
            process,
            parent: None,
            first_child: None,
            previous: None,
            next: None,
            ended_children: 0,
            status: None,
        };
        let place = self.put(entry)?;
        if self.numbers.try_insert(position, (number, place)).is_err() {
            self.release(place);
            return Err(Errno::NoMemory);
        }
        match parent {
            Some(parent) => self.link_child(parent, place),
            None => self.init = Some(place),
        }
        Ok(())
    }

    /// Makes sure that one more entry needs no memory.
    fn reserve(&mut self) -> Result<(), kmalloc::AllocError> {
        self.numbers.try_reserve(1)?;
        self.entries.try_reserve(1)
    }

    fn put(&mut self, entry: Entry) -> Result<Place, Errno> {
        let word = self
            .used
            .iter()
            .position(|&word| word != u64::MAX)
            .ok_or(Errno::TryAgain)?;
        let bit = self.used[word].trailing_ones();
        let place = word * 64 + bit as usize;
        match self.entries.get_mut(place) {
            Some(slot) => *slot = Some(entry),
            None => self.entries.try_push(Some(entry))?,
        }
        self.used[word] |= 1 << bit;
        Ok(place as Place)
    }

    /// Frees a place whose entry nobody links to.
    fn release(&mut self, place: Place) -> Option<Entry> {
        let entry = self.entries.get_mut(place as usize)?.take();
        if let Some(word) = self.used.get_mut(place as usize / 64) {
            *word &= !(1 << (place % 64));
        }
        while self.entries.last().is_some_and(Option::is_none) {
            self.entries.pop();
        }
        entry
    }

    fn find(&self, number: i32) -> Option<Place> {
        let position = self
            .numbers
            .binary_search_by_key(&number, |&(n, _)| n)
            .ok()?;
        self.numbers.get(position).map(|&(_, place)| place)
    }

    fn entry(&self, place: Place) -> Option<&Entry> {
        self.entries.get(place as usize)?.as_ref()
    }

    fn entry_mut(&mut self, place: Place) -> Option<&mut Entry> {
        self.entries.get_mut(place as usize)?.as_mut()
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

    /// The process with this number, or else with the next higher one, and its parent's number.
    pub fn from(&self, number: i32) -> Option<(&KArc<Process>, Option<i32>)> {
        let position = self.numbers.partition_point(|&(n, _)| n < number);
        let &(_, place) = self.numbers.get(position)?;
        let entry = self.entry(place)?;
        let parent = entry.parent.and_then(|place| self.entry(place));
        Some((&entry.process, parent.map(|parent| parent.process.pid)))
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
            ended += usize::from(self.entry(child).is_some_and(|e| e.status.is_some()));
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
        let entry = self.release(place)?;
        if let Ok(position) = self
            .numbers
            .binary_search_by_key(&entry.process.pid, |&(n, _)| n)
        {
            self.numbers.remove(position);
        }
        Some(entry.process)
    }

    /// Calls `visit` for each process, in order of their numbers, with the parent's number.
    pub fn for_each(&self, mut visit: impl FnMut(&Process, Option<i32>)) {
        for &(_, place) in self.numbers.iter() {
            if let Some(entry) = self.entry(place) {
                let parent = entry.parent.and_then(|place| self.entry(place));
                visit(&entry.process, parent.map(|parent| parent.process.pid));
            }
        }
    }
}
