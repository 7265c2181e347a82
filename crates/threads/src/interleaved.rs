//! Harts, threads and those who wake them, in orders that `shuttle` picks: two harts run three threads
//! by the rules of the kernel's scheduler.

use crate::{Link, Queue, Queued, RunState, State, SwitchedOut, Woken};
use fallible::KArc;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::{Config, MaxSteps, Runner, thread};
use std::sync::Arc;
use std::vec::Vec;

struct Waiting;
struct Runnable;

struct Thread {
    run: RunState,
    waiting: Link<Thread>,
    runnable: Link<Thread>,
    /// Whether a hart is on the stack.
    stack: AtomicBool,
    /// What the thread has got of what it waits for.
    got: AtomicUsize,
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

const HARTS: usize = 2;
const THREADS: usize = 3;
/// What a thread wants before it ends, unless it is interrupted.
const WANTED: usize = 2;

struct Machine {
    threads: Vec<KArc<Thread>>,
    runnable: [Mutex<Queue<Thread, Runnable>>; HARTS],
    /// Things that threads wait for.
    things: Mutex<usize>,
    waiting: Mutex<Queue<Thread, Waiting>>,
    ended: AtomicUsize,
}

impl Machine {
    fn new() -> Machine {
        let thread = || {
            KArc::try_new(Thread {
                run: RunState::new(),
                waiting: Link::new(),
                runnable: Link::new(),
                stack: AtomicBool::new(false),
                got: AtomicUsize::new(0),
            })
            .unwrap()
        };
        let machine = Machine {
            threads: (0..THREADS).map(|_| thread()).collect(),
            runnable: [Mutex::new(Queue::new()), Mutex::new(Queue::new())],
            things: Mutex::new(0),
            waiting: Mutex::new(Queue::new()),
            ended: AtomicUsize::new(0),
        };
        for (number, thread) in machine.threads.iter().enumerate() {
            machine.enqueue(number % HARTS, thread.clone());
        }
        machine
    }

    fn enqueue(&self, hart: usize, thread: KArc<Thread>) {
        self.runnable[hart].lock().unwrap().push(thread);
    }

    fn wake(&self, thread: KArc<Thread>) -> bool {
        match thread.run.wake() {
            Woken::No => return false,
            Woken::Enqueue => self.enqueue(0, thread),
            Woken::OnCpu => {}
        }
        true
    }

    fn wake_one(&self) -> bool {
        loop {
            let Some(thread) = self.waiting.lock().unwrap().pop() else {
                return false;
            };
            if self.wake(thread) {
                return true;
            }
        }
    }

    fn interrupt(&self, thread: &KArc<Thread>) {
        if thread.run.interrupt() {
            self.wake(thread.clone());
        }
    }

    /// What a hart does until all threads have ended.
    fn hart(&self, number: usize) {
        while self.ended.load(Ordering::SeqCst) < THREADS {
            let pick = |i: usize| self.runnable[(number + i) % HARTS].lock().unwrap().pop();
            let Some(thread) = (0..HARTS).find_map(pick) else {
                thread::yield_now();
                continue;
            };
            thread.run.switch_in();
            let others = thread.stack.swap(true, Ordering::SeqCst);
            assert!(!others, "two harts on one stack");
            self.run(&thread);
            thread.stack.store(false, Ordering::SeqCst);
            match thread.run.switch_out() {
                SwitchedOut::Sleeps => {}
                SwitchedOut::Requeue => self.enqueue(number, thread),
                SwitchedOut::Ended => {
                    self.ended.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    }

    /// What a thread does from when a hart takes it until it leaves the hart.
    fn run(&self, thread: &KArc<Thread>) {
        loop {
            if thread.waiting.is_queued() {
                self.waiting.lock().unwrap().remove(thread);
            }
            let got = thread.got.load(Ordering::SeqCst);
            if thread.run.is_interrupted() || got == WANTED {
                return thread.run.end();
            }
            let mut things = self.things.lock().unwrap();
            if *things > 0 {
                *things -= 1;
                thread.got.store(got + 1, Ordering::SeqCst);
                drop(things);
                return thread.run.preempt();
            }
            {
                let mut waiting = self.waiting.lock().unwrap();
                thread.run.prepare_to_wait(true);
                waiting.push(thread.clone());
            }
            drop(things);
            if thread.run.cancel_wait_if_interrupted() {
                continue;
            }
            if !thread.run.take_wakeup() {
                return;
            }
        }
    }
}

/// Runs it in many orders. A thread that nobody wakes keeps the harts looking for one, until there were too
/// many steps.
fn in_all_orders(scenario: fn(Arc<Machine>)) {
    fn run(scheduler: impl Scheduler + 'static, scenario: fn(Arc<Machine>)) {
        let mut config = Config::new();
        config.max_steps = MaxSteps::FailAfter(50_000);
        Runner::new(scheduler, config).run(move || {
            let machine = Arc::new(Machine::new());
            let harts: Vec<_> = (0..HARTS)
                .map(|number| {
                    let machine = machine.clone();
                    thread::spawn(move || machine.hart(number))
                })
                .collect();
            scenario(machine.clone());
            for hart in harts {
                hart.join().unwrap();
            }
            for thread in &machine.threads {
                assert_eq!(thread.run.state(), State::Ended);
                assert!(!thread.waiting.is_queued() && !thread.runnable.is_queued());
                assert_eq!(KArc::strong_count(thread), 1);
            }
        });
    }
    run(RandomScheduler::new_from_seed(7, 3000), scenario);
    run(PctScheduler::new_from_seed(7, 3, 1000), scenario);
}

#[test]
fn every_wake_up_arrives() {
    in_all_orders(|machine| {
        for _ in 0..THREADS * WANTED {
            *machine.things.lock().unwrap() += 1;
            machine.wake_one();
        }
    });
}

#[test]
fn interrupting_ends_every_wait() {
    in_all_orders(|machine| {
        let waker = {
            let machine = machine.clone();
            thread::spawn(move || {
                for _ in 0..WANTED {
                    *machine.things.lock().unwrap() += 1;
                    while machine.wake_one() {}
                }
            })
        };
        let threads = machine.threads.iter();
        threads.for_each(|thread| machine.interrupt(thread));
        waker.join().unwrap();
    });
}

#[test]
fn states_follow_each_other() {
    Runner::new(RandomScheduler::new_from_seed(7, 1), Config::new()).run(|| {
        let run = RunState::new();
        assert_eq!((run.state(), run.wake()), (State::Runnable, Woken::No));
        run.switch_in();
        assert_eq!((run.state(), run.wake()), (State::Running, Woken::No));
        run.prepare_to_wait(false);
        assert_eq!(run.state(), State::Uninterruptible);
        assert!(!run.interrupt() && run.is_waiting(), "waits on");
        // Woken before the hart has left: it goes on at once, and that once only.
        assert_eq!(run.wake(), Woken::OnCpu);
        assert!(run.take_wakeup() && !run.take_wakeup());
        run.prepare_to_wait(true);
        assert_eq!(run.state(), State::Interruptible);
        assert!(run.cancel_wait_if_interrupted() && !run.cancel_wait_if_interrupted());
        run.prepare_to_wait(true);
        assert!(!run.take_wakeup());
        assert_eq!(run.switch_out(), SwitchedOut::Sleeps);
        assert_eq!((run.wake(), run.state()), (Woken::Enqueue, State::Runnable));
        run.switch_in();
        run.preempt();
        assert_eq!(run.switch_out(), SwitchedOut::Requeue);
        run.switch_in();
        run.end();
        assert_eq!(
            (run.switch_out(), run.state()),
            (SwitchedOut::Ended, State::Ended)
        );
    });
}
