//! The table: who is whose child, who has which number, who has ended how.

use crate::Identity;
use crate::places::{Entry, MOST, Place, Places};
use abi::{Errno, FIRST_GROUP};
use core::iter::successors;
use core::ops::Deref;
use fallible::KArc;

/// The number of the first process.
pub const INIT: i32 = 1;

/// Most processes at once where nothing else is said.
const DEFAULT_LIMIT: usize = 512;
/// Of so many places one is left for what `init` and the shell start.
const RESERVE: usize = 64;
/// A process that `init` started counts for its size divided by this when one is to die.
const SHELL_DISCOUNT: usize = 64;

/// All processes. `P` is one, and dereferences to what the table knows of it.
///
/// To add, end or reap a process costs no walk over the table.
pub struct Table<P> {
    places: Places<P>,
    limit: usize,
    last_pid: i32,
    init: Option<Place>,
}

impl<P: Deref<Target = Identity>> Table<P> {
    /// No processes.
    #[expect(clippy::new_without_default, reason = "it stands in a static")]
    pub const fn new() -> Table<P> {
        Table {
            places: Places::new(),
            limit: DEFAULT_LIMIT,
            last_pid: 0,
            init: None,
        }
    }

    /// Sets the most processes at once, [`MOST`] at the highest.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(2, MOST);
    }

    /// Processes, ended ones that nobody has reaped among them.
    pub fn count(&self) -> usize {
        self.places.count()
    }

    /// A number that no process has.
    pub fn next_pid(&mut self) -> i32 {
        loop {
            self.last_pid = self.last_pid.checked_add(1).unwrap_or(1);
            if self.places.find(self.last_pid).is_none() {
                return self.last_pid;
            }
        }
    }

    /// Refuses a new child for this process when there are too many processes. The last places below
    /// the limit are for `init`, the shells that it starts, and what those start.
    pub fn check_room(&self, parent: &P) -> Result<(), Errno> {
        let of_shell = parent.pid == INIT || parent.is_of_init();
        let reserve = if of_shell { 0 } else { self.limit / RESERVE };
        if self.count() >= self.limit - reserve {
            return Err(Errno::TryAgain);
        }
        Ok(())
    }

    /// Adds a process; the first, which has no parent, becomes everybody's last one. Others begin in their parent's group. A
    /// parent that was killed gets no more children: who kills all of a group looks through the table,
    /// and would not see them.
    pub fn add(&mut self, process: KArc<P>, parent: Option<&P>) -> Result<(), Errno> {
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
                Some(self.places.find(parent.pid).ok_or(Errno::NoProcess)?)
            }
            None if self.init.is_some() => return Err(Errno::Exists),
            None => None,
        };
        if self.places.find(process.pid).is_some() {
            return Err(Errno::Exists);
        }
        let place = self.places.insert(process)?;
        match parent {
            Some(parent) => self.link_child(parent, place),
            None => self.init = Some(place),
        }
        Ok(())
    }

    fn entry(&self, pid: i32) -> Option<&Entry<P>> {
        self.places.get(self.places.find(pid)?)
    }

    fn parent_pid(&self, entry: &Entry<P>) -> Option<i32> {
        let parent = self.places.get(entry.parent?)?;
        Some(parent.process.pid)
    }

    fn link_child(&mut self, parent: Place, child: Place) {
        let Some(of_parent) = self.places.get_mut(parent) else {
            return;
        };
        let second = of_parent.first_child.replace(child);
        if let Some(second) = second.and_then(|place| self.places.get_mut(place)) {
            second.previous = Some(child);
        }
        if let Some(entry) = self.places.get_mut(child) {
            entry.parent = Some(parent);
            entry.previous = None;
            entry.next = second;
        }
    }

    fn unlink_child(&mut self, child: Place) {
        let Some(entry) = self.places.get_mut(child) else {
            return;
        };
        let parent = entry.parent.take();
        let (previous, next) = (entry.previous.take(), entry.next.take());
        if let Some(next) = next.and_then(|place| self.places.get_mut(place)) {
            next.previous = previous;
        }
        let before = match previous {
            Some(previous) => self.places.get_mut(previous).map(|entry| &mut entry.next),
            None => parent
                .and_then(|parent| self.places.get_mut(parent))
                .map(|entry| &mut entry.first_child),
        };
        if let Some(link) = before {
            *link = next;
        }
    }

    /// The process with this number.
    pub fn get(&self, pid: i32) -> Option<&KArc<P>> {
        self.entry(pid).map(|entry| &entry.process)
    }

    /// The process with this number, or else with the next higher one, and its parent's number. It
    /// takes a walk over the table.
    pub fn from(&self, pid: i32) -> Option<(&KArc<P>, Option<i32>)> {
        let behind = self.places.iter().filter(|entry| entry.process.pid >= pid);
        let entry = behind.min_by_key(|entry| entry.process.pid)?;
        Some((&entry.process, self.parent_pid(entry)))
    }

    /// Records that a process has ended: its children become init's, its parent is told. Gives the
    /// processes to wake, who wait for children: the parent, and init if it got ended children.
    pub fn end(&mut self, pid: i32, status: i32) -> [Option<KArc<P>>; 2] {
        let place = self.places.find(pid);
        let lives = |place: &Place| self.places.get(*place).is_some_and(|e| e.status.is_none());
        let Some(place) = place.filter(lives) else {
            return [None, None];
        };
        let init = self.adopt_children(place);
        let parent = self.places.get_mut(place).and_then(|entry| {
            entry.status = Some(status);
            entry.parent
        });
        let parent = parent
            .and_then(|place| self.places.get_mut(place))
            .map(|parent| {
                parent.ended_children += 1;
                parent.process.clone()
            });
        [parent, init]
    }

    fn adopt_children(&mut self, place: Place) -> Option<KArc<P>> {
        let init = self.init.filter(|&init| init != place)?;
        let mut ended = 0;
        while let Some(child) = self.places.get(place).and_then(|entry| entry.first_child) {
            self.unlink_child(child);
            self.link_child(init, child);
            let child = self.places.get(child);
            ended += u16::from(child.is_some_and(|child| child.status.is_some()));
        }
        if let Some(entry) = self.places.get_mut(place) {
            entry.ended_children = 0;
        }
        let entry = self.places.get_mut(init)?;
        entry.ended_children += ended;
        (ended > 0).then(|| entry.process.clone())
    }

    /// Number and status of an ended child of this process; `Ok(None)` while all of them run.
    pub fn ended_child(&self, pid: i32) -> Result<Option<(i32, i32)>, Errno> {
        let parent = self.entry(pid).ok_or(Errno::NoProcess)?;
        let mut next = parent.first_child;
        if next.is_none() {
            return Err(Errno::NoChild);
        }
        if parent.ended_children == 0 {
            return Ok(None);
        }
        while let Some(entry) = next.and_then(|place| self.places.get(place)) {
            if let Some(status) = entry.status {
                return Ok(Some((entry.process.pid, status)));
            }
            next = entry.next;
        }
        Ok(None)
    }

    /// Takes a child, which [`Table::ended_child`] has named, out of the table; `None` if the process has
    /// no such child that has ended.
    pub fn reap(&mut self, parent: i32, child: i32) -> Option<KArc<P>> {
        let (parent, place) = (self.places.find(parent)?, self.places.find(child)?);
        let child = self.places.get(place)?;
        if child.parent != Some(parent) || child.status.is_none() {
            return None;
        }
        self.unlink_child(place);
        self.places.get_mut(parent)?.ended_children -= 1;
        Some(self.places.remove(place)?.process)
    }

    /// Whether a process that `init` started is above this one. What is not below such a one any more was
    /// left behind by who started it.
    fn is_below_shell(&self, entry: &Entry<P>) -> bool {
        let parent = |entry: &Entry<P>| self.places.get(entry.parent?);
        successors(parent(entry), |entry| parent(entry)).any(|above| above.process.is_of_init())
    }

    /// The processes that make up the job with this group: all of the group that have not ended, but never
    /// `init`. In the first group, which shells are in that make no others, these are the ones below shells.
    pub fn job(&self, group: i32) -> impl Iterator<Item = &KArc<P>> {
        let of_job = move |entry: &&Entry<P>| {
            let lives = entry.status.is_none() && entry.process.group() == group;
            let may_end = entry.process.pid != INIT;
            lives && may_end && (group != FIRST_GROUP || self.is_below_shell(entry))
        };
        self.places
            .iter()
            .filter(of_job)
            .map(|entry| &entry.process)
    }

    /// Whether a process has this group, be it one that has ended.
    pub fn has_group(&self, group: i32) -> bool {
        self.places
            .iter()
            .any(|entry| entry.process.group() == group)
    }

    /// Puts a process, `own` or a child of that, into a group that there is, or into its own.
    pub fn set_group(&self, own: i32, pid: i32, group: i32) -> Result<(), Errno> {
        let entry = self.entry(pid).ok_or(Errno::NoProcess)?;
        if pid != own && self.parent_pid(entry) != Some(own) {
            return Err(Errno::NoProcess);
        }
        if group != pid && !self.has_group(group) {
            return Err(Errno::NotPermitted);
        }
        entry.process.set_group(group);
        Ok(())
    }

    /// The process that is to die when memory has ended, by the `pages` that would come back with each: the
    /// largest, the youngest of several, and never `init`. A shell, which `init` started, counts for a
    /// small part of its size: it outlives any number of processes that are as small as itself.
    pub fn victim(&self, pages: impl Fn(&P) -> usize) -> Option<&KArc<P>> {
        let weighed = self.places.iter().map(|entry| {
            let pages = pages(&entry.process);
            let weight = match entry.process.is_of_init() {
                true => pages.div_ceil(SHELL_DISCOUNT),
                false => pages,
            };
            (weight, &entry.process)
        });
        let candidates = weighed.filter(|(weight, process)| *weight > 0 && process.pid != INIT);
        let heaviest = candidates.max_by_key(|(weight, process)| (*weight, process.pid))?;
        Some(heaviest.1)
    }

    /// Calls `visit` for each process, in the order of their places, with the parent's number.
    pub fn for_each(&self, mut visit: impl FnMut(&P, Option<i32>)) {
        self.places
            .iter()
            .for_each(|entry| visit(&entry.process, self.parent_pid(entry)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Process(Identity);

    impl Deref for Process {
        type Target = Identity;
        fn deref(&self) -> &Identity {
            &self.0
        }
    }

    #[test]
    fn numbers_begin_anew_behind_the_last_and_pass_over_those_in_use() {
        let mut table = Table::new();
        let first = table.next_pid();
        assert_eq!(first, INIT);
        let init = KArc::try_new(Process(Identity::new(first))).unwrap();
        table.add(init, None).unwrap();
        table.last_pid = i32::MAX - 1;
        assert_eq!([table.next_pid(), table.next_pid()], [i32::MAX, 2]);
    }
}
