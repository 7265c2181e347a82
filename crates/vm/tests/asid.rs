//! Numbers of address spaces on harts that remember translations: whatever the order of switches,
//! moves, changes and generations, no hart may use a translation that is out of date.
//!
//! A hart here remembers what it walked, under the number it ran with, until it is told to forget. It
//! also walks when nobody asked it to, as hardware does, at the worst moments: between the look for a
//! number and the switch, and between the switch and the forgetting.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use vm::asid::{Asids, Entrance, Forget, Tag};

const HARTS: usize = 8;
const PAGES: u64 = 4;

type Numbers = Asids<HARTS>;

fn numbers(last: u16) -> Numbers {
    let numbers = Numbers::new();
    numbers.set_up(last);
    numbers
}

/// A generator of the kind "splitmix64".
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % limit
    }
}

/// Every frame ever shown is another one, so that any mix-up shows.
static FRAMES: AtomicU64 = AtomicU64::new(1);

fn frame() -> u64 {
    FRAMES.fetch_add(1, Ordering::Relaxed)
}

/// A space: its table, and the changes whose flush is still owed because the process was preempted
/// in the middle.
struct Space {
    tag: Tag,
    table: [u64; PAGES as usize],
    owed: Vec<u64>,
}

impl Space {
    fn new() -> Space {
        Space {
            tag: Tag::new(),
            table: std::array::from_fn(|_| frame()),
            owed: vec![],
        }
    }
}

/// A hart, and what it has been told and done.
struct Hart {
    index: usize,
    number: u16,
    remembered: HashMap<(u16, u64), u64>,
    forgotten: [u64; 3],
}

impl Hart {
    fn new(index: usize) -> Hart {
        Hart {
            index,
            number: 0,
            remembered: HashMap::new(),
            forgotten: [0; 3],
        }
    }

    /// Walks the table it runs with.
    fn walk(&mut self, space: &Space, page: u64) {
        let key = (self.number, page);
        let frame = space.table[page as usize];
        self.remembered.entry(key).or_insert(frame);
    }

    fn walk_all(&mut self, space: &Space) {
        for page in 0..PAGES {
            self.walk(space, page);
        }
    }

    fn switch(&mut self, numbers: &Numbers, old: Option<&Space>, new: &Space) {
        let Entrance { number, forget } = numbers.enter(self.index, &new.tag);
        if let Some(old) = old {
            self.walk_all(old);
        }
        self.number = number;
        self.walk_all(new);
        match forget {
            Forget::Nothing => self.forgotten[0] += 1,
            Forget::Space => {
                self.remembered.retain(|&(n, _), _| n != number);
                self.forgotten[1] += 1;
            }
            Forget::All => {
                self.remembered.clear();
                self.forgotten[2] += 1;
            }
        }
    }

    /// Changes an entry; the flush is owed.
    fn change(&mut self, space: &mut Space, page: u64) {
        space.table[page as usize] = frame();
        space.owed.push(page);
    }

    fn pay(&mut self, space: &mut Space) {
        for page in space.owed.drain(..) {
            self.remembered.remove(&(self.number, page));
            space.tag.changed(self.index);
        }
    }

    /// All that the program could reach now must be what its table says. While it owes a flush it
    /// does not run.
    fn check(&self, space: &Space, at: &str) {
        if !space.owed.is_empty() {
            return;
        }
        for page in 0..PAGES {
            let expected = space.table[page as usize];
            let seen = self.remembered.get(&(self.number, page));
            assert!(
                seen.is_none_or(|&seen| seen == expected),
                "{at}: hart {} under number {} reaches frame {seen:?} by page {page}, whose frame is \
                 {expected}",
                self.index,
                self.number
            );
        }
    }
}

/// One sequence of random steps; how often harts forgot nothing, a space, everything.
fn play(seed: u64, steps: usize) -> [u64; 3] {
    let mut random = Random(seed);
    let count = 1 + random.below(HARTS as u64) as usize;
    let spare = [8, 60][random.below(2) as usize];
    let numbers = numbers(1 + random.below(spare) as u16);
    let mut harts: Vec<Hart> = (0..count).map(Hart::new).collect();
    let mut running: Vec<Option<Space>> = (0..count).map(|_| None).collect();
    let mut waiting: VecDeque<Space> = (0..1 + random.below(20)).map(|_| Space::new()).collect();
    for step in 0..steps {
        let at = format!("seed {seed:#x}, step {step}");
        let index = random.below(count as u64) as usize;
        let (hart, current) = (&mut harts[index], &mut running[index]);
        let page = random.below(PAGES);
        match (random.below(8), current.as_mut()) {
            (0 | 1, _) => {
                let place = random.below(waiting.len().max(1) as u64) as usize;
                if let Some(next) = waiting.remove(place) {
                    hart.switch(&numbers, current.as_ref(), &next);
                    waiting.extend(current.replace(next));
                }
            }
            (2, Some(_)) => {
                hart.number = 0;
                waiting.extend(current.take());
            }
            (3, Some(space)) if random.below(4) == 0 => {
                // Another program: a new table, with nothing owed.
                *space = Space::new();
                hart.switch(&numbers, None, space);
            }
            (3 | 4, Some(space)) => hart.change(space, page),
            (5, Some(space)) => hart.pay(space),
            (_, Some(space)) if space.owed.is_empty() => hart.walk(space, page),
            _ => {}
        }
        if let Some(space) = &running[index] {
            harts[index].check(space, &at);
        }
    }
    harts.iter().fold([0; 3], |sum, hart| {
        std::array::from_fn(|i| sum[i] + hart.forgotten[i])
    })
}

#[test]
fn no_hart_uses_a_translation_that_is_out_of_date() {
    let mut sum = [0; 3];
    for seed in 0..2000 {
        let one = play(seed, 500);
        sum = std::array::from_fn(|i| sum[i] + one[i]);
    }
    assert!(
        sum.iter().all(|&count| count > 5_000),
        "switches that forgot nothing, a space, everything: {sum:?}; all three were to be tried"
    );
}

/// The same with harts that are threads, for the switch without the lock.
#[test]
fn harts_at_the_same_time() {
    const THREADS: usize = 4;
    let numbers = numbers(3);
    let spaces: Mutex<VecDeque<Space>> = Mutex::new((0..20).map(|_| Space::new()).collect());
    std::thread::scope(|scope| {
        for index in 0..THREADS {
            let (numbers, spaces) = (&numbers, &spaces);
            scope.spawn(move || {
                let mut random = Random(index as u64);
                let mut hart = Hart::new(index);
                let mut current: Option<Space> = None;
                for step in 0..20_000 {
                    let Some(next) = spaces.lock().unwrap().pop_front() else {
                        continue;
                    };
                    hart.switch(numbers, current.as_ref(), &next);
                    // Only now may another hart have the space that was left.
                    spaces.lock().unwrap().extend(current.replace(next));
                    let Some(space) = current.as_mut() else {
                        continue;
                    };
                    hart.check(space, "entered");
                    match random.below(16) {
                        0 => *space = Space::new(),
                        1..4 => hart.change(space, random.below(PAGES)),
                        _ => hart.pay(space),
                    }
                    if random.below(16) == 0 {
                        hart.number = 0;
                        spaces.lock().unwrap().extend(current.take());
                    } else if space.tag.is_new() {
                        hart.switch(numbers, None, space);
                    } else if space.owed.is_empty() {
                        hart.walk(space, step % PAGES);
                        hart.check(space, "used");
                    }
                }
            });
        }
    });
    let given = numbers.given();
    assert!(given > 10_000, "only {given} numbers: they were not scarce");
}

#[test]
fn a_switch_back_and_forth_forgets_nothing() {
    let numbers = numbers(100);
    let (one, two) = (Tag::new(), Tag::new());
    let first = [numbers.enter(0, &one), numbers.enter(0, &two)];
    assert_eq!(first[0].forget, Forget::All, "the hart's first generation");
    assert_eq!(first[1].forget, Forget::Nothing, "a number never used");
    assert_ne!(first[0].number, first[1].number);
    for _ in 0..10 {
        for (tag, first) in [(&one, first[0]), (&two, first[1])] {
            let again = numbers.enter(0, tag);
            assert_eq!(
                (again.number, again.forget),
                (first.number, Forget::Nothing)
            );
        }
    }
}

#[test]
fn a_change_is_heard_of_where_the_space_was_and_nowhere_else() {
    let numbers = numbers(100);
    let (moving, other) = (Tag::new(), Tag::new());
    for hart in 0..4 {
        numbers.enter(hart, &other);
    }
    numbers.enter(0, &moving);
    numbers.enter(0, &other);
    numbers.enter(1, &moving);
    moving.changed(1);
    assert_eq!(
        numbers.enter(1, &moving).forget,
        Forget::Nothing,
        "the hart where the change was made forgot then"
    );
    assert_eq!(
        numbers.enter(2, &moving).forget,
        Forget::Nothing,
        "a hart that never ran the space has nothing to forget"
    );
    assert_eq!(numbers.enter(0, &moving).forget, Forget::Space);
    assert_eq!(
        numbers.enter(0, &moving).forget,
        Forget::Nothing,
        "once is enough"
    );
}

#[test]
fn without_numbers_every_switch_forgets_all() {
    let numbers = numbers(0);
    let tag = Tag::new();
    for _ in 0..3 {
        let entrance = numbers.enter(0, &tag);
        assert_eq!((entrance.number, entrance.forget), (0, Forget::All));
    }
}

#[test]
fn numbers_stay_within_their_limit() {
    for last in [1, 2, 7, u16::MAX] {
        let numbers = numbers(last);
        for i in 0..200_000 {
            let number = numbers.enter(i % HARTS, &Tag::new()).number;
            assert!((1..=last).contains(&number), "number {number} of {last}");
        }
    }
}

/// A hart that stays in an old generation goes on there at no cost; one that has left it takes
/// nothing of it any more.
#[test]
fn generations_do_not_mix_on_a_hart() {
    let numbers = numbers(2);
    let (old, moved) = (Tag::new(), Tag::new());
    numbers.enter(0, &old);
    numbers.enter(0, &moved);
    // Hart 1 begins the next generation, and takes `moved` there.
    numbers.enter(1, &Tag::new());
    let entrance = numbers.enter(1, &moved);
    assert_eq!(
        (entrance.number, entrance.forget),
        (2, Forget::Nothing),
        "a new number of the generation that the hart is in"
    );
    assert_eq!(numbers.enter(0, &old).forget, Forget::Nothing);
    assert_eq!(
        numbers.enter(0, &moved).forget,
        Forget::All,
        "hart 0 goes over to the new generation"
    );
    let entrance = numbers.enter(0, &old);
    assert_eq!(
        (entrance.number, entrance.forget),
        (1, Forget::All),
        "the third generation"
    );
}
