//! Small programs of a few threads, run in thousands of orders that `shuttle` chooses: the threads
//! are coroutines, and another goes on wherever a lock is taken or left and wherever the allocator
//! asks for a page or about one. Orders come from fixed seeds; one that fails is printed, and
//! `shuttle::replay` runs it again.
#![cfg(not(miri))]

use frames::Pfn;
use kmalloc::{Kmalloc, Pages};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::{Config, Runner, thread};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::BTreeSet;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

/// A lock whose every step is one where another thread may go on.
struct Lock(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
unsafe impl lock_api::RawMutex for Lock {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Lock = Lock(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {
            thread::yield_now();
        }
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::SeqCst);
        // What follows may come late.
        self.0.load(Ordering::SeqCst);
    }
}

/// The number of the first page.
const FIRST: u32 = 100;

/// What a page has that is given out and has no mark.
const UNMARKED: (u8, u32) = (u8::MAX, 0);

/// Mark and word of each page that is given out. The lock is never held where another thread may go
/// on.
type Known = Arc<Mutex<Vec<Option<(u8, u32)>>>>;

/// A few pages.
struct Ram {
    start: *mut u8,
    pages: Known,
    turn: AtomicBool,
}

// SAFETY: the pointer is only a base to compute addresses from.
unsafe impl Send for Ram {}
// SAFETY: as above; the rest may be shared.
unsafe impl Sync for Ram {}

impl Ram {
    fn layout(pages: usize) -> Layout {
        Layout::from_size_align(pages * 4096, 4096).unwrap()
    }

    fn new(pages: usize) -> Ram {
        Ram {
            // SAFETY: the size is not zero.
            start: unsafe { alloc_zeroed(Ram::layout(pages)) },
            pages: Arc::new(Mutex::new(vec![None; pages])),
            turn: AtomicBool::new(false),
        }
    }

    /// Lets other threads go on.
    fn turn(&self) {
        self.turn.load(Ordering::SeqCst);
    }

    /// Does something to the mark and the word of a page that is given out; its result, or false.
    fn change(&self, page: Pfn, change: impl FnOnce(&mut (u8, u32)) -> bool) -> bool {
        let place = page.get().wrapping_sub(FIRST) as usize;
        let mut pages = self.pages.lock().unwrap();
        pages
            .get_mut(place)
            .and_then(Option::as_mut)
            .is_some_and(change)
    }

    fn known(&self, page: Pfn) -> Option<(u8, u32)> {
        self.turn();
        let place = page.get().wrapping_sub(FIRST) as usize;
        let known = *self.pages.lock().unwrap().get(place)?;
        self.turn();
        known
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        let pages = self.pages.lock().unwrap().len();
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(self.start, Ram::layout(pages)) };
    }
}

// SAFETY: a page is given out once until it comes back, and all pages are in the memory at `start`.
unsafe impl Pages for Ram {
    fn alloc(&self, _cpu: usize) -> Option<Pfn> {
        self.turn();
        let mut pages = self.pages.lock().unwrap();
        let place = pages.iter().position(Option::is_none)?;
        pages[place] = Some(UNMARKED);
        Some(Pfn::new(FIRST + place as u32))
    }

    fn mark(&self, page: Pfn, mark: u8, word: u32) -> bool {
        self.turn();
        self.change(page, |known| {
            known.1 = word;
            known.0 = mark;
            true
        })
    }

    fn remark(&self, page: Pfn, from: u8, to: u8) -> bool {
        self.turn();
        self.change(page, |known| {
            let is = known.0 == from;
            known.0 = if is { to } else { known.0 };
            is
        })
    }

    fn free(&self, _cpu: usize, page: Pfn, mark: u8) -> bool {
        self.turn();
        let mut pages = self.pages.lock().unwrap();
        let place = page.get().wrapping_sub(FIRST) as usize;
        let Some(known) = pages.get_mut(place) else {
            return false;
        };
        known.take_if(|known| known.0 == mark).is_some()
    }

    fn address(&self, page: Pfn) -> *mut u8 {
        // Most often it is a record that is looked at, and the others should not get in between.
        self.turn();
        let place = page.get().wrapping_sub(FIRST) as usize;
        self.start.wrapping_add(place * 4096)
    }

    fn page_of(&self, address: *const u8) -> Pfn {
        let offset = address.addr().wrapping_sub(self.start.addr());
        Pfn::new((offset / 4096) as u32 + FIRST)
    }

    fn marked(&self, page: Pfn) -> Option<u8> {
        let (mark, _) = self.known(page)?;
        (mark != UNMARKED.0).then_some(mark)
    }

    fn word(&self, page: Pfn) -> Option<u32> {
        self.known(page).map(|(_, word)| word)
    }
}

/// Bytes of an object, of the class with the smallest magazines: eight objects, of which two fit a
/// page; with the feature `debug` the largest class is the one of 1360 bytes.
const SIZE: usize = if cfg!(feature = "debug") { 1300 } else { 2000 };

/// An object that a thread has.
struct Object(NonNull<u8>);

// SAFETY: whoever has it has the object.
unsafe impl Send for Object {}

/// An allocator for two CPUs, and what it has given out.
struct World {
    kmalloc: Kmalloc<Lock, Ram, 2>,
    pages: Known,
    live: Mutex<BTreeSet<usize>>,
    /// Objects on their way from one thread to another.
    post: Mutex<Vec<Object>>,
    /// Nothing more will be on its way.
    done: AtomicBool,
    /// What happened, in order.
    trace: Mutex<String>,
}

impl World {
    fn new(pages: usize) -> Arc<World> {
        let ram = Ram::new(pages);
        let pages = ram.pages.clone();
        Arc::new(World {
            kmalloc: Kmalloc::new(ram),
            pages,
            live: Mutex::default(),
            post: Mutex::default(),
            done: AtomicBool::new(false),
            trace: Mutex::default(),
        })
    }

    fn note(&self, cpu: usize, what: char) {
        let mut trace = self.trace.lock().unwrap();
        trace.push(what);
        trace.push_str(&cpu.to_string());
    }

    /// An object that nobody else has, with its address in its first and last bytes.
    fn alloc(&self, cpu: usize, size: usize) -> Option<Object> {
        let object = self.kmalloc.alloc(cpu, size);
        self.note(cpu, if object.is_some() { 'a' } else { '-' });
        let object = object?;
        let new = self.live.lock().unwrap().insert(object.addr().get());
        assert!(new, "{object:?} is somebody else's");
        for place in [0, size - 8] {
            // SAFETY: the object has `size` bytes.
            unsafe {
                object
                    .add(place)
                    .cast::<usize>()
                    .write_unaligned(object.addr().get())
            };
        }
        Some(Object(object))
    }

    fn free(&self, cpu: usize, Object(object): Object, size: usize) {
        for place in [0, size - 8] {
            // SAFETY: as in `alloc`, which wrote there.
            let word = unsafe { object.add(place).cast::<usize>().read_unaligned() };
            assert_eq!(word, object.addr().get(), "at {place} of {object:?}");
        }
        self.note(cpu, 'f');
        assert!(self.live.lock().unwrap().remove(&object.addr().get()));
        // SAFETY: nobody has it any more.
        let freed = unsafe { self.kmalloc.free(cpu, object) };
        assert_eq!(freed, Ok(()));
    }

    /// What must hold when all threads are done and have freed what they had.
    fn end(&self) -> String {
        let (stats, pages) = (self.kmalloc.stats(), self.pages.lock().unwrap().len());
        assert_eq!(stats.live(), 0, "{stats}");
        // Whatever the magazines hold, all memory can be had.
        let all: Vec<_> = (0..pages).map_while(|_| self.alloc(0, 4096)).collect();
        assert_eq!(all.len(), pages, "pages to be had; before: {stats}");
        all.into_iter().for_each(|page| self.free(0, page, 4096));
        self.kmalloc.drain();
        let left: Vec<_> = self
            .pages
            .lock()
            .unwrap()
            .iter()
            .flatten()
            .copied()
            .collect();
        assert_eq!(left, [], "marks and words of pages that did not come back");
        std::mem::take(&mut *self.trace.lock().unwrap())
    }
}

/// What a thread with this CPU number does.
type Work = fn(&World, usize);

/// Runs threads in one world, each with its CPU's number.
fn threads(world: &Arc<World>, work: &[(usize, Work)]) {
    let spawn = |&(cpu, work): &(usize, Work)| {
        let world = world.clone();
        thread::spawn(move || work(&world, cpu))
    };
    let running: Vec<_> = work.iter().map(spawn).collect();
    running
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

/// Runs a program in many orders, and checks that what happened was different `least` times.
fn explore(least: usize, program: impl Fn() -> String + Send + Sync + Clone + 'static) {
    const ORDERS: usize = 1_000;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let run = |scheduler: Box<dyn Scheduler + Send>| {
        let mut config = Config::new();
        config.stack_size = 1 << 17;
        let (program, seen) = (program.clone(), seen.clone());
        Runner::new(scheduler, config).run(move || {
            let trace = program();
            seen.lock().unwrap().insert(trace);
        });
    };
    run(Box::new(RandomScheduler::new_from_seed(1, ORDERS)));
    // Few changes at any places, where the other makes many everywhere.
    run(Box::new(PctScheduler::new_from_seed(2, 3, ORDERS)));
    let seen = seen.lock().unwrap().len();
    assert!(
        seen >= least,
        "{seen} different orders, expected {least} or more"
    );
}

/// One thread fills its magazine and hands objects on, three free them until the one that they
/// share is full, and one without a magazine gets in between and drains.
#[test]
fn objects_pass_from_cpu_to_cpu() {
    let make: Work = |world, cpu| {
        for _ in 0..20 {
            if let Some(object) = world.alloc(cpu, SIZE) {
                world.post.lock().unwrap().push(object);
            }
        }
        world.done.store(true, Ordering::SeqCst);
    };
    let take: Work = |world, cpu| {
        loop {
            let done = world.done.load(Ordering::SeqCst);
            let arrived = world.post.lock().unwrap().pop();
            match arrived {
                Some(object) => world.free(cpu, object, SIZE),
                None if done => return,
                None => thread::yield_now(),
            }
        }
    };
    let disturb: Work = |world, cpu| {
        for _ in 0..2 {
            let object = world.alloc(cpu, SIZE);
            world.kmalloc.drain();
            object
                .into_iter()
                .for_each(|object| world.free(cpu, object, SIZE));
        }
    };
    explore(300, move || {
        let world = World::new(11);
        threads(
            &world,
            &[(0, make), (1, take), (1, take), (1, take), (2, disturb)],
        );
        world.end()
    });
}

/// Threads of one CPU fill and empty its magazine while one of them has objects for it, or from it,
/// in its hands.
#[test]
fn threads_of_a_cpu_share_its_magazine() {
    let get: Work = |world, cpu| {
        let object = world.alloc(cpu, SIZE).expect("there is memory");
        world.post.lock().unwrap().push(object);
    };
    let put: Work = |world, cpu| {
        for _ in 0..4 {
            let object = world.post.lock().unwrap().pop();
            world.free(cpu, object.expect("enough of them"), SIZE);
        }
    };
    for cached in [0, 12] {
        explore(8, move || {
            let world = World::new(16);
            let make = |_| world.alloc(2, SIZE).expect("there is memory");
            let before: Vec<_> = (0..cached).map(make).collect();
            let between = (0..8).map(make).collect();
            *world.post.lock().unwrap() = between;
            before
                .into_iter()
                .for_each(|object| world.free(1, object, SIZE));
            threads(&world, &[(1, get), (1, put), (1, put)]);
            let left = std::mem::take(&mut *world.post.lock().unwrap());
            left.into_iter()
                .for_each(|object| world.free(0, object, SIZE));
            world.end()
        });
    }
}

/// There is less memory than the threads ask for, in two kinds.
#[test]
fn all_memory_is_found_again_when_it_is_short() {
    let some: Work = |world, cpu| {
        for _ in 0..4 {
            let objects: Vec<_> = (0..3).map_while(|_| world.alloc(cpu, SIZE)).collect();
            objects
                .into_iter()
                .for_each(|object| world.free(cpu, object, SIZE));
        }
    };
    let page: Work = |world, cpu| {
        for _ in 0..4 {
            let page = world.alloc(cpu, 4096);
            page.into_iter()
                .for_each(|page| world.free(cpu, page, 4096));
        }
    };
    explore(300, move || {
        let world = World::new(3);
        threads(&world, &[(0, some), (1, some), (1, page)]);
        world.end()
    });
}

/// Of two threads that free the same object one is told so, whatever the third does meanwhile.
#[test]
fn one_of_two_frees_is_refused() {
    explore(15, || {
        let world = World::new(4);
        let [keep, object] = [world.alloc(0, SIZE), world.alloc(0, SIZE)].map(Option::unwrap);
        world.live.lock().unwrap().remove(&object.0.addr().get());
        let free = |cpu: usize| {
            let (world, object) = (world.clone(), Object(object.0));
            thread::spawn(move || {
                let Object(object) = { object };
                // SAFETY: nobody uses it; one of the two frees is wrong on purpose.
                let freed = unsafe { world.kmalloc.free(cpu, object) };
                world.note(cpu, if freed.is_ok() { 'f' } else { '!' });
                freed.is_ok()
            })
        };
        let frees = [free(0), free(1)];
        let mut other = Vec::new();
        for size in [4096, 100, 900] {
            other.extend(world.alloc(2, size).map(|object| (object, size)));
            world.kmalloc.drain();
        }
        let good = frees.map(|thread| thread.join().unwrap());
        assert_eq!(
            good.iter().filter(|&&good| good).count(),
            1,
            "of the frees of one object"
        );
        world.free(1, keep, SIZE);
        for (object, size) in other {
            world.free(1, object, size);
        }
        world.end()
    });
}

/// A second free of an object writes into nobody's memory, also when the object's page and that of its
/// records go back and are others' while it runs.
#[test]
fn a_second_free_changes_nothing_of_others() {
    /// A size whose class has no object that starts where the one of `SIZE` does.
    const OTHER: usize = if cfg!(feature = "debug") { 600 } else { 1300 };
    const FILL: u8 = 0xff;
    let fill = |Object(object): &Object, size| {
        // SAFETY: the object has so many bytes, and is the caller's.
        unsafe { object.write_bytes(FILL, size) };
    };
    let changed = |Object(object): &Object, size| {
        // SAFETY: as above.
        (0..size).find(|&at| unsafe { object.add(at).read() } != FILL)
    };
    // With a CPU's magazines and without.
    let program = move |cpu: usize| {
        let world = World::new(5);
        // Two of a slab, which goes back with the second of them, since a third one's slab has room.
        let all = [(); 3].map(|()| world.kmalloc.alloc(2, SIZE).unwrap());
        // The one that is not where a page begins: no object of another size begins there.
        let twice = all[0].max(all[1]);
        let free = |cpu: usize, objects: Vec<Object>| {
            let world = world.clone();
            thread::spawn(move || {
                let free = |Object(object): Object| {
                    // SAFETY: nobody uses it; one of the two frees is wrong on purpose.
                    let freed = unsafe { world.kmalloc.free(cpu, object) };
                    world.note(cpu, if freed.is_ok() { 'f' } else { '!' });
                    usize::from(freed.is_ok())
                };
                objects.into_iter().map(free).sum::<usize>()
            })
        };
        let frees = [
            free(2, all.map(Object).into()),
            free(cpu, vec![Object(twice)]),
        ];
        let mut others = Vec::new();
        for size in [OTHER, 4096, OTHER, 4096] {
            let new = world.kmalloc.alloc(2, size).map(Object);
            world.note(2, if new.is_some() { 'a' } else { '-' });
            if let Some(new) = new {
                fill(&new, size);
                others.push((new, size));
            } else {
                world.kmalloc.drain();
            }
        }
        let good: usize = frees.map(|thread| thread.join().unwrap()).iter().sum();
        assert_eq!(good, 3, "frees of three objects that went well, of four");
        for (new, size) in others {
            assert_eq!(changed(&new, size), None, "byte of {size} at {:?}", new.0);
            // SAFETY: nobody uses it any more.
            let freed = unsafe { world.kmalloc.free(2, new.0) };
            assert_eq!(freed, Ok(()), "of {size} bytes");
        }
        world.end()
    };
    explore(15, move || program(1));
    explore(15, move || program(2));
}
