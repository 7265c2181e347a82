//! ASIDs and shootdowns: whatever the order of switches, changes and generations, and however many harts run
//! a space, none may use a stale translation.
//!
//! A hart here keeps what it walked, under the ASID it ran with, until it is flushed. It also walks when
//! nobody asked it to, as hardware does, at the worst moments: between the look for an ASID and the switch,
//! and between the switch and the flush.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use vm::Flush;
use vm::asid::{Asids, Entrance, Tag, Targets};

const HARTS: usize = 8;
const PAGES: u64 = 4;

fn asids(last: u16) -> Asids<HARTS> {
    let asids = Asids::new();
    asids.set_up(last);
    asids
}

/// A generator of the kind "splitmix64".
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % limit as u64) as usize
    }
}

/// Every frame ever shown is another one, so that any mix-up shows.
static FRAMES: AtomicU64 = AtomicU64::new(1);

fn frame() -> u64 {
    FRAMES.fetch_add(1, Ordering::Relaxed)
}

/// A page table, and the right to change it.
struct Space {
    tag: Tag,
    table: [AtomicU64; PAGES as usize],
    entries: Mutex<()>,
}

impl Space {
    fn new() -> Space {
        Space {
            tag: Tag::new(),
            table: std::array::from_fn(|_| AtomicU64::new(frame())),
            entries: Mutex::new(()),
        }
    }

    fn entry(&self, page: u64) -> &AtomicU64 {
        &self.table[page as usize]
    }
}

/// What a TLB has, by ASID and page.
type Tlb = HashMap<(u16, u64), u64>;

/// Harts with the ASIDs that they use, and frames that were given back.
struct Machine {
    asids: Asids<HARTS>,
    tlbs: [Mutex<Tlb>; HARTS],
    freed: Mutex<HashSet<u64>>,
    /// How often harts flushed nothing, a space, everything.
    flushed: [AtomicU64; 3],
}

impl Machine {
    fn new(last: u16) -> Machine {
        Machine {
            asids: asids(last),
            tlbs: Default::default(),
            freed: Mutex::default(),
            flushed: Default::default(),
        }
    }

    fn tlb(&self, hart: usize) -> MutexGuard<'_, Tlb> {
        self.tlbs[hart].lock().expect("no test panicked")
    }

    /// A walk, unless the TLB has the page.
    fn access(&self, hart: usize, asid: u16, space: &Space, page: u64) {
        let walk = || space.entry(page).load(Ordering::Relaxed);
        self.tlb(hart).entry((asid, page)).or_insert_with(walk);
    }

    /// No program reaches a frame that was freed.
    fn check(&self, hart: usize, asid: u16, space: &Space, at: &str) {
        for page in 0..PAGES {
            // The access is over before the frame can be freed.
            let mut tlb = self.tlb(hart);
            let walk = || space.entry(page).load(Ordering::Relaxed);
            let frame = *tlb.entry((asid, page)).or_insert_with(walk);
            let freed = self.freed.lock().expect("no test panicked");
            assert!(
                !freed.contains(&frame),
                "{at}: hart {hart} under ASID {asid} reaches frame {frame} by page {page}"
            );
        }
    }

    fn walk_all(&self, hart: usize, asid: u16, space: &Space) {
        for page in 0..PAGES {
            self.access(hart, asid, space, page);
        }
    }

    /// Leaves a space for another; gives the ASID.
    fn switch(&self, hart: usize, old: Option<(&Space, u16)>, new: &Space) -> u16 {
        let Entrance { asid, flush } = self.asids.enter(hart, &new.tag);
        if let Some((old, asid)) = old {
            self.walk_all(hart, asid, old);
        }
        let before = old.is_none_or(|(_, old)| old != asid);
        let flush = || match flush {
            Flush::Nothing | Flush::Page(_) => self.count(0),
            Flush::Space => {
                self.tlb(hart).retain(|&(other, _), _| other != asid);
                self.count(1);
            }
            Flush::All => {
                self.tlb(hart).clear();
                self.count(2);
            }
        };
        if before {
            flush();
            self.walk_all(hart, asid, new);
        } else {
            self.walk_all(hart, asid, new);
            flush();
        }
        if let Some((old, _)) = old.filter(|(old, _)| !std::ptr::eq(*old, new)) {
            old.tag.leave(hart);
        }
        asid
    }

    fn count(&self, which: usize) {
        self.flushed[which].fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a page another frame, and frees the old one.
    fn change(&self, hart: usize, asid: u16, space: &Space, page: u64) {
        let entries = space.entries.lock().expect("no test panicked");
        let old = space.entry(page).swap(frame(), Ordering::Relaxed);
        let Targets { here, others } = space.tag.shoot_down(hart);
        if here {
            self.tlb(hart).remove(&(asid, page));
        }
        for other in (0..HARTS).filter(|other| others >> other & 1 != 0) {
            self.tlb(other).retain(|&(_, other), _| other != page);
        }
        drop(entries);
        self.freed.lock().expect("no test panicked").insert(old);
    }
}

/// One sequence of random steps; how often harts flushed nothing, a space, everything.
fn play(seed: u64, steps: usize) -> [u64; 3] {
    let mut random = Random(seed);
    let harts = 1 + random.below(HARTS);
    let spare = [8, 60][random.below(2)];
    let machine = Machine::new(1 + random.below(spare) as u16);
    let mut spaces: Vec<Space> = (0..1 + random.below(20)).map(|_| Space::new()).collect();
    let mut running: Vec<Option<(usize, u16)>> = vec![None; harts];
    for step in 0..steps {
        let hart = random.below(harts);
        let (space, page) = (
            random.below(spaces.len()),
            random.below(PAGES as usize) as u64,
        );
        let current = running[hart];
        match random.below(8) {
            0..3 => {
                let old = current.map(|(old, asid)| (&spaces[old], asid));
                let asid = machine.switch(hart, old, &spaces[space]);
                running[hart] = Some((space, asid));
            }
            3 => {
                // The hart idles, in the kernel's own space.
                current.inspect(|&(old, _)| spaces[old].tag.leave(hart));
                running[hart] = None;
            }
            4 if running.iter().flatten().all(|&(other, _)| other != space) => {
                // The space ends, and another begins.
                let old = std::mem::replace(&mut spaces[space], Space::new());
                let frames = old.table.iter().map(|entry| entry.load(Ordering::Relaxed));
                machine.freed.lock().expect("alone").extend(frames);
            }
            5 | 6 => {
                let asid = current.map_or(0, |(_, asid)| asid);
                machine.change(hart, asid, &spaces[space], page);
            }
            _ => {
                if let Some((space, asid)) = current {
                    machine.access(hart, asid, &spaces[space], page);
                }
            }
        }
        let at = format!("seed {seed:#x}, step {step}");
        for (hart, current) in running.iter().enumerate() {
            if let &Some((space, asid)) = current {
                machine.check(hart, asid, &spaces[space], &at);
            }
        }
    }
    machine.flushed.map(AtomicU64::into_inner)
}

#[test]
fn no_hart_uses_a_stale_translation() {
    let mut sum = [0; 3];
    for seed in 0..2000 {
        let one = play(seed, 500);
        sum = std::array::from_fn(|i| sum[i] + one[i]);
    }
    assert!(
        sum.iter().all(|&count| count > 5_000),
        "switches that flushed nothing, a space, everything: {sum:?}; all three were to be tried"
    );
}

/// The same with harts that are threads and a few spaces that they all run and change.
#[test]
fn harts_at_the_same_time() {
    const THREADS: usize = 4;
    let machine = Machine::new(3);
    let spaces: [Space; 5] = std::array::from_fn(|_| Space::new());
    std::thread::scope(|scope| {
        for hart in 0..THREADS {
            let (machine, spaces) = (&machine, &spaces);
            scope.spawn(move || {
                let mut random = Random(hart as u64);
                let mut current: Option<(&Space, u16)> = None;
                for _ in 0..20_000 {
                    let page = random.below(PAGES as usize) as u64;
                    match (random.below(8), current) {
                        (0..3, _) | (_, None) => {
                            let next = &spaces[random.below(spaces.len())];
                            current = Some((next, machine.switch(hart, current, next)));
                        }
                        (3, Some((space, _))) => {
                            space.tag.leave(hart);
                            current = None;
                        }
                        (4, Some((_, asid))) => {
                            let other = &spaces[random.below(spaces.len())];
                            machine.change(hart, asid, other, page);
                        }
                        (5, Some((space, asid))) => machine.change(hart, asid, space, page),
                        (_, Some((space, asid))) => machine.check(hart, asid, space, "running"),
                    }
                }
                current.inspect(|(space, _)| space.tag.leave(hart));
            });
        }
    });
    let given = machine.asids.given();
    assert!(given > 1_000, "only {given} ASIDs: they were not scarce");
    assert!(!spaces.iter().any(|space| space.tag.is_active()));
}

#[test]
fn a_switch_back_and_forth_flushes_nothing() {
    let asids = asids(100);
    let (one, two) = (Tag::new(), Tag::new());
    let first = [asids.enter(0, &one), asids.enter(0, &two)];
    assert_eq!(first[0].flush, Flush::All, "the hart's first generation");
    assert_eq!(first[1].flush, Flush::Nothing, "an ASID never used");
    assert_ne!(first[0].asid, first[1].asid);
    for _ in 0..10 {
        for (tag, first) in [(&one, first[0]), (&two, first[1])] {
            let again = asids.enter(0, tag);
            assert_eq!((again.asid, again.flush), (first.asid, Flush::Nothing));
        }
    }
}

#[test]
fn a_change_concerns_harts_that_ran_the_space_and_no_others() {
    let asids = asids(100);
    let (space, other) = (Tag::new(), Tag::new());
    let go = |hart, from: &Tag, to: &Tag| {
        let flush = asids.enter(hart, to).flush;
        from.leave(hart);
        flush
    };
    for hart in 0..4 {
        asids.enter(hart, &other);
    }
    // Hart 0 ran it, hart 1 and hart 2 do; hart 3 never did.
    go(0, &other, &space);
    go(0, &space, &other);
    go(1, &other, &space);
    go(2, &other, &space);
    let concerned = |here, others| Targets { here, others };
    assert_eq!(space.shoot_down(1), concerned(true, 1 << 2));
    assert_eq!(space.shoot_down(3), concerned(false, 1 << 1 | 1 << 2));
    assert_eq!(go(1, &other, &space), Flush::Nothing, "it has flushed");
    assert_eq!(go(3, &other, &space), Flush::Nothing, "it has nothing");
    assert_eq!(go(0, &other, &space), Flush::Space, "it was marked");
    assert_eq!(go(0, &other, &space), Flush::Nothing, "once is enough");
    for hart in 0..4 {
        go(hart, &space, &other);
    }
    assert_eq!(space.shoot_down(0), concerned(false, 0), "active nowhere");
    for hart in 0..4 {
        assert_eq!(go(hart, &other, &space), Flush::Space, "hart {hart}");
    }
}

#[test]
fn without_asids_every_switch_flushes_all() {
    let asids = asids(0);
    let tag = Tag::new();
    for _ in 0..3 {
        let entrance = asids.enter(0, &tag);
        assert_eq!((entrance.asid, entrance.flush), (0, Flush::All));
    }
}

#[test]
fn asids_stay_within_their_limit() {
    for last in [1, 2, 7, u16::MAX] {
        let asids = asids(last);
        for i in 0..200_000 {
            let asid = asids.enter(i % HARTS, &Tag::new()).asid;
            assert!((1..=last).contains(&asid), "ASID {asid} of {last}");
        }
    }
}

/// A hart that stays in an old generation goes on there at no cost; one that has left it takes
/// nothing of it any more.
#[test]
fn generations_do_not_mix_on_a_hart() {
    let asids = asids(2);
    let (old, moved) = (Tag::new(), Tag::new());
    asids.enter(0, &old);
    asids.enter(0, &moved);
    // Hart 1 begins the next generation, and takes `moved` there.
    asids.enter(1, &Tag::new());
    let entrance = asids.enter(1, &moved);
    assert_eq!(
        (entrance.asid, entrance.flush),
        (2, Flush::Nothing),
        "a new ASID of the generation that the hart is in"
    );
    assert_eq!(asids.enter(0, &old).flush, Flush::Nothing);
    assert_eq!(
        asids.enter(0, &moved).flush,
        Flush::All,
        "hart 0 goes over to the new generation"
    );
    let entrance = asids.enter(0, &old);
    assert_eq!(
        (entrance.asid, entrance.flush),
        (1, Flush::All),
        "the third generation"
    );
}
