//! Random steps on two queues of one role and one of another, against lists.

use fallible::KArc;
use proptest::prelude::*;
use std::sync::Arc;
use threads::{Link, Queue, Queued};

struct Waiting;
struct Runnable;

struct Thread {
    number: usize,
    waiting: Link<Thread>,
    runnable: Link<Thread>,
    _witness: Arc<()>,
}

// SAFETY: the link is a field of the thread's for this role.
unsafe impl Queued<Waiting> for Thread {
    fn link(&self) -> &Link<Thread> {
        &self.waiting
    }
}

// SAFETY: as above.
unsafe impl Queued<Runnable> for Thread {
    fn link(&self) -> &Link<Thread> {
        &self.runnable
    }
}

fn thread(number: usize, witness: &Arc<()>) -> KArc<Thread> {
    KArc::try_new(Thread {
        number,
        waiting: Link::new(),
        runnable: Link::new(),
        _witness: witness.clone(),
    })
    .unwrap()
}

const THREADS: usize = 6;

/// The first number is that of a queue: 0 and 1 are for waiting, 2 for runnable ones.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize, usize),
    /// In ascending order of the threads' numbers, if the queue is in that order.
    Insert(usize, usize),
    Pop(usize),
    Remove(usize, usize),
    Move(usize, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (queue, thread) = (0..3_usize, 0..THREADS);
    prop_oneof![
        (queue.clone(), thread.clone()).prop_map(|(q, t)| Step::Push(q, t)),
        (queue.clone(), thread.clone()).prop_map(|(q, t)| Step::Insert(q, t)),
        queue.clone().prop_map(Step::Pop),
        (queue.clone(), thread).prop_map(|(q, t)| Step::Remove(q, t)),
        (queue.clone(), queue).prop_map(|(q, other)| Step::Move(q, other)),
    ]
}

struct World {
    threads: Vec<KArc<Thread>>,
    waiting: [Queue<Thread, Waiting>; 2],
    runnable: Queue<Thread, Runnable>,
    lists: [Vec<usize>; 3],
}

macro_rules! queue {
    ($world:ident, $number:expr, $queue:ident => $act:expr) => {
        match $number {
            2 => {
                let $queue = &mut $world.runnable;
                $act
            }
            number => {
                let $queue = &mut $world.waiting[number];
                $act
            }
        }
    };
}

impl World {
    /// Whether a queue of the same role has the thread.
    fn is_queued(&self, queue: usize, thread: usize) -> bool {
        let same_role = match queue {
            2 => &self.lists[2..],
            _ => &self.lists[..2],
        };
        same_role.iter().flatten().any(|queued| *queued == thread)
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Push(q, t) if !self.is_queued(q, t) => {
                let thread = self.threads[t].clone();
                queue!(self, q, queue => queue.push(thread));
                self.lists[q].push(t);
            }
            Step::Insert(q, t) if !self.is_queued(q, t) => {
                let thread = self.threads[t].clone();
                queue!(self, q, queue => queue.insert(thread, |other| other.number > t));
                let list = &mut self.lists[q];
                let place = list.iter().position(|other| *other > t);
                list.insert(place.unwrap_or(list.len()), t);
            }
            Step::Pop(q) => {
                let popped = queue!(self, q, queue => queue.pop()).map(|thread| thread.number);
                let list = &mut self.lists[q];
                assert_eq!(popped, (!list.is_empty()).then(|| list.remove(0)));
            }
            Step::Remove(q, t) => {
                let thread = self.threads[t].clone();
                queue!(self, q, queue => queue.remove(&thread));
                self.lists[q].retain(|queued| *queued != t);
            }
            Step::Move(from, to) => {
                let popped = queue!(self, from, queue => queue.pop());
                if let Some(thread) = popped {
                    let t = self.lists[from].remove(0);
                    assert_eq!(thread.number, t);
                    drop(thread);
                    self.take(Step::Push(to, t));
                }
            }
            Step::Push(..) | Step::Insert(..) => {}
        }
    }

    fn check(&self) {
        let first = |q: usize| self.lists[q].first().copied();
        let seen = [
            self.waiting[0].first().map(|thread| thread.number),
            self.waiting[1].first().map(|thread| thread.number),
            self.runnable.first().map(|thread| thread.number),
        ];
        assert_eq!(seen, [first(0), first(1), first(2)]);
        for (t, thread) in self.threads.iter().enumerate() {
            let queued = [thread.waiting.is_queued(), thread.runnable.is_queued()];
            assert_eq!(queued, [self.is_queued(0, t), self.is_queued(2, t)]);
            let counted = 1 + usize::from(queued[0]) + usize::from(queued[1]);
            assert_eq!(KArc::strong_count(thread), counted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn queues_behave_like_lists(steps in prop::collection::vec(step(), 1..200)) {
        let witness = Arc::new(());
        let mut world = World {
            threads: (0..THREADS).map(|t| thread(t, &witness)).collect(),
            waiting: [Queue::new(), Queue::new()],
            runnable: Queue::new(),
            lists: Default::default(),
        };
        for step in steps {
            world.take(step);
            world.check();
        }
        let threads = world.threads;
        drop((world.waiting, world.runnable));
        let queued = |t: &KArc<Thread>| t.waiting.is_queued() || t.runnable.is_queued();
        assert!(!threads.iter().any(queued), "a queue that is gone has a thread");
        drop(threads);
        assert_eq!(Arc::strong_count(&witness), 1);
    }
}

#[test]
#[should_panic(expected = "in a queue already")]
fn a_thread_in_two_queues_of_a_role_is_refused() {
    let thread = thread(0, &Arc::new(()));
    let [mut first, mut second] = [const { Queue::<Thread, Waiting>::new() }; 2];
    first.push(thread.clone());
    second.push(thread);
}
