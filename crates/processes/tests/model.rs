//! Random steps on the table, against a model that looks at every process each time.

use abi::{Errno, FIRST_GROUP};
use fallible::KArc;
use processes::{INIT, Identity, Table};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

/// A process, and a witness that it was not forgotten in memory.
struct Process {
    identity: Identity,
    _witness: Arc<()>,
}

impl Deref for Process {
    type Target = Identity;
    fn deref(&self) -> &Identity {
        &self.identity
    }
}

#[derive(Clone, Debug)]
struct Known {
    parent: Option<i32>,
    group: i32,
    started_by_init: bool,
    killed: bool,
    status: Option<i32>,
}

/// Processes are named by their order among those that there are.
#[derive(Clone, Debug)]
enum Step {
    Fork(usize),
    Kill(usize),
    End(usize, i32),
    /// Ends twice in a row, which counts once.
    EndAgain(usize),
    Reap(usize),
    /// Tries to reap whatever is no ended child.
    ReapWrongly(usize, usize),
    SetGroup(usize, usize, usize),
    Limit(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    prop_oneof![
        60 => any.clone().prop_map(Step::Fork),
        2 => any.clone().prop_map(Step::Kill),
        15 => (any.clone(), -2..3).prop_map(|(i, status)| Step::End(i, status)),
        2 => any.clone().prop_map(Step::EndAgain),
        15 => any.clone().prop_map(Step::Reap),
        4 => (any.clone(), any.clone()).prop_map(|(i, j)| Step::ReapWrongly(i, j)),
        8 => (any.clone(), any.clone(), any).prop_map(|(i, j, k)| Step::SetGroup(i, j, k)),
        1 => prop_oneof![Just(0), Just(4), Just(70), Just(200), Just(5000)].prop_map(Step::Limit),
    ]
}

struct World {
    table: Table<Process>,
    known: BTreeMap<i32, Known>,
    limit: usize,
    witness: Arc<()>,
}

impl World {
    fn new() -> World {
        let mut world = World {
            table: Table::new(),
            known: BTreeMap::new(),
            limit: 512,
            witness: Arc::new(()),
        };
        let init = world.process();
        world.table.add(init, None).unwrap();
        let known = Known {
            parent: None,
            group: INIT,
            started_by_init: false,
            killed: false,
            status: None,
        };
        world.known.insert(INIT, known);
        world
    }

    fn process(&mut self) -> KArc<Process> {
        KArc::try_new(Process {
            identity: Identity::new(self.table.next_pid()),
            _witness: self.witness.clone(),
        })
        .unwrap()
    }

    fn nth(&self, index: usize, wanted: impl Fn(i32, &Known) -> bool) -> Option<i32> {
        let fitting = self
            .known
            .iter()
            .filter(|(pid, known)| wanted(**pid, known));
        let pids: Vec<i32> = fitting.map(|(pid, _)| *pid).collect();
        (!pids.is_empty()).then(|| pids[index % pids.len()])
    }

    fn alive(&self, index: usize) -> Option<i32> {
        self.nth(index, |_, known| known.status.is_none())
    }

    fn ended_children(&self, parent: i32) -> BTreeSet<(i32, i32)> {
        let children = self.known.iter().filter(|(_, k)| k.parent == Some(parent));
        children
            .filter_map(|(pid, k)| Some((*pid, k.status?)))
            .collect()
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Fork(i) => self.fork(self.alive(i).unwrap()),
            Step::Kill(i) => {
                let victim = self.alive(i).unwrap();
                if victim != INIT {
                    self.table.get(victim).unwrap().set_killed(-1);
                    self.known.get_mut(&victim).unwrap().killed = true;
                }
            }
            Step::End(i, status) => {
                let one = self.nth(i, |pid, known| pid != INIT && known.status.is_none());
                one.inspect(|pid| self.end(*pid, status));
            }
            Step::EndAgain(i) => {
                let one = self.nth(i, |_, known| known.status.is_some());
                if let Some(pid) = one {
                    assert!(self.table.end(pid, 99).iter().all(Option::is_none));
                }
            }
            Step::Reap(i) => self.reap(self.alive(i).unwrap()),
            Step::ReapWrongly(i, j) => {
                let parent = self.alive(i).unwrap();
                let own = |known: &Known| known.parent == Some(parent) && known.status.is_some();
                let other = self.nth(j, |_, known| !own(known)).unwrap();
                assert!(
                    self.table.reap(parent, other).is_none(),
                    "{parent} reaped {other}"
                );
            }
            Step::SetGroup(i, j, k) => {
                let pick = |index| self.nth(index, |_, _| true).unwrap();
                self.set_group(self.alive(i).unwrap(), pick(j), pick(k));
            }
            Step::Limit(limit) => {
                self.table.set_limit(limit);
                self.limit = limit.clamp(2, 999);
            }
        }
    }

    fn fork(&mut self, parent: i32) {
        let child = self.process();
        let pid = child.pid;
        assert!(!self.known.contains_key(&pid), "number {pid} given twice");
        let parent = self.table.get(parent).unwrap().clone();
        let known = &self.known[&parent.pid];
        let favoured = parent.pid == INIT || known.started_by_init;
        let places = self.limit - if favoured { 0 } else { self.limit / 64 };
        let expected = match () {
            () if self.known.len() >= places => Err(Errno::TryAgain),
            () if known.killed => Err(Errno::Interrupted),
            () => Ok(()),
        };
        let new = Known {
            parent: Some(parent.pid),
            group: known.group,
            started_by_init: parent.pid == INIT,
            killed: false,
            status: None,
        };
        assert_eq!(self.table.add(child, Some(&parent)), expected);
        if expected.is_ok() {
            self.known.insert(pid, new);
        }
    }

    fn end(&mut self, pid: i32, status: i32) {
        let inherited = self.ended_children(pid);
        for known in self.known.values_mut().filter(|k| k.parent == Some(pid)) {
            known.parent = Some(INIT);
        }
        let known = self.known.get_mut(&pid).unwrap();
        known.status = Some(status);
        let expected = [known.parent, (!inherited.is_empty()).then_some(INIT)];
        let woken = self.table.end(pid, status);
        assert_eq!(woken.map(|one| one.map(|process| process.pid)), expected);
    }

    /// The ended child that the table names, which must be one, if there is any.
    fn ended_child(&self, parent: i32) -> Option<i32> {
        let ended = self.ended_children(parent);
        let children = self.known.values().any(|k| k.parent == Some(parent));
        match self.table.ended_child(parent) {
            Err(error) => assert_eq!((error, children), (Errno::NoChild, false)),
            Ok(None) => assert!(children && ended.is_empty(), "of {ended:?} none was named"),
            Ok(Some(child)) => assert!(ended.contains(&child), "{child:?} is not of {ended:?}"),
        }
        self.table
            .ended_child(parent)
            .ok()
            .flatten()
            .map(|(pid, _)| pid)
    }

    fn reap(&mut self, parent: i32) {
        if let Some(child) = self.ended_child(parent) {
            let reaped = self.table.reap(parent, child).unwrap();
            assert_eq!(reaped.pid, child);
            self.known.remove(&child);
        }
    }

    fn set_group(&mut self, own: i32, pid: i32, group: i32) {
        let known = &self.known[&pid];
        let expected = match () {
            () if pid != own && known.parent != Some(own) => Err(Errno::NoProcess),
            () if group != pid && !self.known.values().any(|k| k.group == group) => {
                Err(Errno::NotPermitted)
            }
            () => Ok(()),
        };
        assert_eq!(self.table.set_group(own, pid, group), expected);
        if expected.is_ok() {
            self.known.get_mut(&pid).unwrap().group = group;
        }
    }

    fn below_shell(&self, known: &Known) -> bool {
        let above = known.parent.map(|parent| &self.known[&parent]);
        above.is_some_and(|above| above.started_by_init || self.below_shell(above))
    }

    /// Everything that can be asked, for every process.
    fn check(&self) {
        assert_eq!(self.table.count(), self.known.len());
        assert_eq!(Arc::strong_count(&self.witness), self.known.len() + 1);
        let mut listed = BTreeMap::new();
        self.table.for_each(|process, parent| {
            listed.insert(process.pid, parent);
        });
        let parents = self.known.iter().map(|(pid, known)| (*pid, known.parent));
        assert_eq!(listed, parents.collect());
        for (pid, known) in &self.known {
            let process = self.table.get(*pid).unwrap();
            let seen = (process.pid, process.group(), process.is_started_by_init());
            assert_eq!(seen, (*pid, known.group, known.started_by_init));
            assert_eq!(process.is_killed(), known.killed);
            let (next, _) = self.table.from(*pid - 1).unwrap();
            assert_eq!(next.pid, *self.known.range(*pid - 1..).next().unwrap().0);
            self.ended_child(*pid);
            self.check_job(*pid);
        }
        let above = self.known.last_key_value().unwrap().0 + 1;
        assert!(self.table.from(above).is_none() && self.table.get(above).is_none());
        self.check_victim();
    }

    fn check_job(&self, group: i32) {
        let expected = self.known.iter().filter(|(pid, known)| {
            let member = known.status.is_none() && known.group == group && **pid != INIT;
            member && (group != FIRST_GROUP || self.below_shell(known))
        });
        let expected: BTreeSet<i32> = expected.map(|(pid, _)| *pid).collect();
        let job: BTreeSet<i32> = self.table.job(group).map(|process| process.pid).collect();
        assert_eq!(job, expected, "the job of group {group}");
        let exists = self.known.values().any(|known| known.group == group);
        assert_eq!(self.table.has_group(group), exists);
    }

    /// With sizes from 0 to 90 pages, many of them equal.
    fn check_victim(&self) {
        let pages = |pid: i32| pid as usize % 10 * 10;
        let weights = self.known.iter().map(|(pid, known)| {
            let weight = match known.started_by_init {
                true => pages(*pid).div_ceil(64),
                false => pages(*pid),
            };
            (weight, *pid)
        });
        let expected = weights
            .filter(|(weight, pid)| *weight > 0 && *pid != INIT)
            .max();
        let victim = self.table.victim(|process| pages(process.pid));
        assert_eq!(
            victim.map(|process| process.pid),
            expected.map(|(_, pid)| pid)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn behaves_like_the_model(steps in prop::collection::vec(step(), 1..300)) {
        let mut world = World::new();
        for (number, step) in steps.into_iter().enumerate() {
            world.take(step);
            if number % 8 == 0 {
                world.check();
            }
        }
        world.check();
    }
}
