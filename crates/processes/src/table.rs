//! The process table: PIDs, parents and children, zombies, process groups.

use crate::Identity;
use crate::slots::{Entry, MAX_PROCESSES, Slot, Slots};
use abi::{Errno, FIRST_GROUP};
use core::iter::successors;
use core::ops::Deref;
use fallible::KArc;

/// The PID of the first process.
pub const INIT: i32 = 1;

/// Default limit on processes.
const DEFAULT_LIMIT: usize = 512;
/// One in this many slots is reserved for children of `init` and of shells.
const RESERVE: usize = 64;
/// Out of memory divides a shell's size by this.
const SHELL_DISCOUNT: usize = 64;

/// All processes. `P` is the type of a process, which dereferences to its [`Identity`].
///
/// To add, end or reap a process does not walk the table.
pub struct Table<P> {
    slots: Slots<P>,
    limit: usize,
    last_pid: i32,
    init: Option<Slot>,
}

impl<P: Deref<Target = Identity>> Table<P> {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "it stands in a static")]
    pub const fn new() -> Table<P> {
        Table {
            slots: Slots::new(),
            limit: DEFAULT_LIMIT,
            last_pid: 0,
            init: None,
        }
    }

    /// Sets the limit on processes, clamped to 2 and [`MAX_PROCESSES`].
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit.clamp(2, MAX_PROCESSES);
    }

    /// Number of processes, including zombies.
    pub fn count(&self) -> usize {
        self.slots.count()
    }

    /// A PID that no process has.
    pub fn next_pid(&mut self) -> i32 {
        loop {
            self.last_pid = self.last_pid.checked_add(1).unwrap_or(1);
            if self.slots.find(self.last_pid).is_none() {
                return self.last_pid;
            }
        }
    }

    /// Whether this process may have one more child. The last slots below the limit are reserved for children of
    /// `init` and of shells.
    ///
    /// # Errors
    /// `TryAgain` if there are too many processes.
    pub fn check_room(&self, parent: &P) -> Result<(), Errno> {
        let of_shell = parent.pid == INIT || parent.is_started_by_init();
        let reserve = if of_shell { 0 } else { self.limit / RESERVE };
        if self.count() >= self.limit - reserve {
            return Err(Errno::TryAgain);
        }
        Ok(())
    }

    /// Adds a process, in its parent's group. The first process has no parent; it becomes `init`, which adopts
    /// orphans. A killed parent gets no more children, since whoever kills its group would miss them.
    ///
    /// # Errors
    /// `TryAgain` at the limit, `Interrupted` if the parent was killed, `NoProcess` if the parent is not in the
    /// table, `Exists` for a second `init` or a PID in use, `NoMemory`.
    pub fn add(&mut self, process: KArc<P>, parent: Option<&P>) -> Result<(), Errno> {
        let parent = match parent {
            Some(parent) => {
                self.check_room(parent)?;
                if parent.is_killed() {
                    return Err(Errno::Interrupted);
                }
                process.set_group(parent.group());
                if parent.pid == INIT {
                    process.set_started_by_init();
                }
                Some(self.slots.find(parent.pid).ok_or(Errno::NoProcess)?)
            }
            None if self.init.is_some() => return Err(Errno::Exists),
            None => None,
        };
        if self.slots.find(process.pid).is_some() {
            return Err(Errno::Exists);
        }
        let slot = self.slots.insert(process)?;
        match parent {
            Some(parent) => self.link_child(parent, slot),
            None => self.init = Some(slot),
        }
        Ok(())
    }

    fn entry(&self, pid: i32) -> Option<&Entry<P>> {
        self.slots.get(self.slots.find(pid)?)
    }

    fn parent_pid(&self, entry: &Entry<P>) -> Option<i32> {
        let parent = self.slots.get(entry.parent?)?;
        Some(parent.process.pid)
    }

    fn link_child(&mut self, parent: Slot, child: Slot) {
        let Some(of_parent) = self.slots.get_mut(parent) else {
            return;
        };
        let second = of_parent.first_child.replace(child);
        if let Some(second) = second.and_then(|slot| self.slots.get_mut(slot)) {
            second.previous = Some(child);
        }
        if let Some(entry) = self.slots.get_mut(child) {
            entry.parent = Some(parent);
            entry.previous = None;
            entry.next = second;
        }
    }

    fn unlink_child(&mut self, child: Slot) {
        let Some(entry) = self.slots.get_mut(child) else {
            return;
        };
        let parent = entry.parent.take();
        let (previous, next) = (entry.previous.take(), entry.next.take());
        if let Some(next) = next.and_then(|slot| self.slots.get_mut(slot)) {
            next.previous = previous;
        }
        let before = match previous {
            Some(previous) => self.slots.get_mut(previous).map(|entry| &mut entry.next),
            None => parent
                .and_then(|parent| self.slots.get_mut(parent))
                .map(|entry| &mut entry.first_child),
        };
        if let Some(link) = before {
            *link = next;
        }
    }

    /// The process with this PID.
    pub fn get(&self, pid: i32) -> Option<&KArc<P>> {
        self.entry(pid).map(|entry| &entry.process)
    }

    /// The process with this PID or, if there is none, the next higher one, and its parent's PID. Walks the table.
    pub fn from(&self, pid: i32) -> Option<(&KArc<P>, Option<i32>)> {
        let behind = self.slots.iter().filter(|entry| entry.process.pid >= pid);
        let entry = behind.min_by_key(|entry| entry.process.pid)?;
        Some((&entry.process, self.parent_pid(entry)))
    }

    /// Makes a process a zombie; init adopts its children. Returns the processes whose waits for children to wake:
    /// the parent, and init if it adopted zombies.
    pub fn end(&mut self, pid: i32, status: i32) -> [Option<KArc<P>>; 2] {
        let slot = self.slots.find(pid);
        let lives = |slot: &Slot| self.slots.get(*slot).is_some_and(|e| e.status.is_none());
        let Some(slot) = slot.filter(lives) else {
            return [None, None];
        };
        let init = self.adopt_children(slot);
        let parent = self.slots.get_mut(slot).and_then(|entry| {
            entry.status = Some(status);
            entry.parent
        });
        let parent = parent
            .and_then(|slot| self.slots.get_mut(slot))
            .map(|parent| {
                parent.ended_children += 1;
                parent.process.clone()
            });
        [parent, init]
    }

    fn adopt_children(&mut self, slot: Slot) -> Option<KArc<P>> {
        let init = self.init.filter(|&init| init != slot)?;
        let mut ended = 0;
        while let Some(child) = self.slots.get(slot).and_then(|entry| entry.first_child) {
            self.unlink_child(child);
            self.link_child(init, child);
            let child = self.slots.get(child);
            ended += u16::from(child.is_some_and(|child| child.status.is_some()));
        }
        if let Some(entry) = self.slots.get_mut(slot) {
            entry.ended_children = 0;
        }
        let entry = self.slots.get_mut(init)?;
        entry.ended_children += ended;
        (ended > 0).then(|| entry.process.clone())
    }

    /// PID and exit status of a zombie child of this process; `Ok(None)` if no child is a zombie.
    ///
    /// # Errors
    /// `NoChild` if it has no children; `NoProcess` if it is not in the table.
    pub fn ended_child(&self, pid: i32) -> Result<Option<(i32, i32)>, Errno> {
        let parent = self.entry(pid).ok_or(Errno::NoProcess)?;
        let mut next = parent.first_child;
        if next.is_none() {
            return Err(Errno::NoChild);
        }
        if parent.ended_children == 0 {
            return Ok(None);
        }
        while let Some(entry) = next.and_then(|slot| self.slots.get(slot)) {
            if let Some(status) = entry.status {
                return Ok(Some((entry.process.pid, status)));
            }
            next = entry.next;
        }
        Ok(None)
    }

    /// Removes a zombie child, see [`Table::ended_child`]; `None` if the process has no such zombie child.
    pub fn reap(&mut self, parent: i32, child: i32) -> Option<KArc<P>> {
        let (parent, slot) = (self.slots.find(parent)?, self.slots.find(child)?);
        let child = self.slots.get(slot)?;
        if child.parent != Some(parent) || child.status.is_none() {
            return None;
        }
        self.unlink_child(slot);
        self.slots.get_mut(parent)?.ended_children -= 1;
        Some(self.slots.remove(slot)?.process)
    }

    /// Whether a shell is an ancestor of this process. If not, its parent has exited and `init` has adopted it.
    fn is_below_shell(&self, entry: &Entry<P>) -> bool {
        let parent = |entry: &Entry<P>| self.slots.get(entry.parent?);
        successors(parent(entry), |entry| parent(entry))
            .any(|above| above.process.is_started_by_init())
    }

    /// The processes of the job with this group: all live processes of the group except `init`. In the first group,
    /// where shells without job control are, only descendants of shells.
    pub fn job(&self, group: i32) -> impl Iterator<Item = &KArc<P>> {
        let of_job = move |entry: &&Entry<P>| {
            let lives = entry.status.is_none() && entry.process.group() == group;
            let may_end = entry.process.pid != INIT;
            lives && may_end && (group != FIRST_GROUP || self.is_below_shell(entry))
        };
        self.slots.iter().filter(of_job).map(|entry| &entry.process)
    }

    /// Whether a process, possibly a zombie, has this group.
    pub fn has_group(&self, group: i32) -> bool {
        self.slots
            .iter()
            .any(|entry| entry.process.group() == group)
    }

    /// Moves a process, `own` or a child of it, into an existing group, or into a new one with its PID.
    ///
    /// # Errors
    /// `NoProcess` if there is no such process; `NotPermitted` if there is no such group.
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

    /// The process to kill when out of memory: the one with the most `pages`, of several the one with the highest
    /// PID, never `init`. The size of a shell is divided by a constant, so that it outlives any number of
    /// processes as small as itself.
    pub fn victim(&self, pages: impl Fn(&P) -> usize) -> Option<&KArc<P>> {
        let weighed = self.slots.iter().map(|entry| {
            let pages = pages(&entry.process);
            let weight = match entry.process.is_started_by_init() {
                true => pages.div_ceil(SHELL_DISCOUNT),
                false => pages,
            };
            (weight, &entry.process)
        });
        let candidates = weighed.filter(|(weight, process)| *weight > 0 && process.pid != INIT);
        let heaviest = candidates.max_by_key(|(weight, process)| (*weight, process.pid))?;
        Some(heaviest.1)
    }

    /// Calls `visit` for each process, by slot, with its parent's PID.
    pub fn for_each(&self, mut visit: impl FnMut(&P, Option<i32>)) {
        self.slots
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
