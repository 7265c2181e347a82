//! Memory objects by themselves: against a plain list of what the file has, with others that come in between,
//! and with memory that ends.

use crate::alloc;
use crate::ram::Ram;
use crate::random::Random;
use crate::world::{PAGE, RW, World};
use abi::{MapFlags, Prot};
use fallible::KArc;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use vm::object::{Page, Pager, Version, Zeroes};
use vm::{Access, Error, Fault, Frame, Machine, Object};

/// A file on a disk: a word of each page stands for its contents.
#[derive(Default)]
struct Disk {
    words: RefCell<BTreeMap<u64, u64>>,
    /// Done once, between the reading of a page and its coming into the object.
    meanwhile: Cell<Option<Box<dyn FnOnce()>>>,
    reads: Cell<usize>,
}

impl Disk {
    fn word(&self, index: u64) -> u64 {
        self.words.borrow().get(&index).copied().unwrap_or(0)
    }

    /// Writes a page's word to the disk and then to the object, as a kernel does.
    fn write(&self, ram: &Ram, object: &Object<Ram>, index: u64, word: u64) {
        self.words.borrow_mut().insert(index, word);
        let start = index * PAGE;
        object.write(start..start + 8, |pfn, inside, from| {
            assert_eq!((inside, from), (0..8, 0), "a word at the start of a page");
            ram.words(pfn)[0].store(word, Relaxed);
        });
    }

    fn truncate(&self, object: &Object<Ram>, size: u64) {
        self.words.borrow_mut().split_off(&size.div_ceil(PAGE));
        object.truncate(size);
    }
}

impl Pager<Ram> for Disk {
    type Error = Error;

    fn page_in(&self, object: &Object<Ram>, index: u64) -> Result<(Frame<Ram>, Version), Error> {
        let ram = object.machine();
        let version = object.version();
        self.reads.set(self.reads.get() + 1);
        let frame = ram.alloc_zeroed().ok_or(Error::NoMemory)?;
        // SAFETY: it was allocated just now.
        let frame = unsafe { Frame::from_pfn(ram, frame) };
        ram.words(frame.pfn())[0].store(self.word(index), Relaxed);
        if let Some(work) = self.meanwhile.take() {
            work();
        }
        Ok((frame, version))
    }
}

fn word(ram: &Ram, page: &Page<Ram>) -> u64 {
    ram.words(page.frame.pfn())[0].load(Relaxed)
}

fn anonymous(ram: &Ram, pages: u64) -> Object<Ram> {
    Object::anonymous(ram.clone(), pages * PAGE).expect("memory for an object")
}

/// Nothing but `object` is on the machine; it goes.
fn end(ram: &Ram, object: Object<Ram>) {
    assert!(
        ram.used() as u64 >= object.resident() as u64,
        "a frame for each page"
    );
    drop(object);
    assert_eq!(
        (ram.used(), ram.committed()),
        (0, 0),
        "frames used, promised"
    );
}

#[test]
fn a_file_has_what_the_disk_has() {
    for seed in 0..60 {
        let ram = Ram::new(96);
        let mut random = Random::new(seed);
        let disk = Disk::default();
        let object = Object::file(ram.clone(), 0);
        // Of pages in an array, and of those below one and two levels of tables.
        let spread = [40, 3000, 1 << 19][seed as usize % 3];
        let mut size = 0;
        let mut held: Vec<Page<Ram>> = vec![];
        for step in 1..400 {
            let index = random.below(spread) / (1 + random.below(40));
            match random.below(8) {
                0..3 => {
                    let read = object.page(index, &disk);
                    let Ok(page) = read else {
                        // It was the machine's last frame; those of the cache come back.
                        object.shrink(usize::MAX, step % 2 == 0);
                        continue;
                    };
                    let expected = (index < size).then(|| disk.word(index));
                    let found = page.as_ref().map(|page| word(&ram, page));
                    assert_eq!(found, expected, "page {index}, step {step} of {seed}");
                    if let Some(page) = page {
                        assert_eq!(page.size, object.size(), "size, step {step} of {seed}");
                        held.extend(random.below(3).eq(&0).then_some(page));
                    }
                }
                3..5 => {
                    disk.write(&ram, &object, index, step);
                    size = size.max(index + 1);
                }
                5 => {
                    size = size.min(index);
                    disk.truncate(&object, size * PAGE);
                }
                6 => {
                    let (before, free) = (object.resident(), object.reclaimable());
                    let wanted = random.below(6) as usize;
                    let dropped = object.shrink(wanted, step % 2 == 0);
                    assert_eq!(dropped, wanted.min(free), "dropped, step {step} of {seed}");
                    assert_eq!(object.resident(), before - dropped);
                }
                _ => held.clear(),
            }
            held.truncate(8);
            let most = Object::<Ram>::frames_for(object.resident() as u64) as usize;
            assert!(object.resident() <= ram.used() && object.resident() <= most);
        }
        held.clear();
        object.shrink(usize::MAX, false);
        assert_eq!((object.resident(), ram.used()), (0, 0), "all given back");
        end(&ram, object);
    }
}

/// What comes in between the reading of page 1 and its coming into the object.
fn while_reading(work: impl FnOnce(&Ram, &Object<Ram>, &Disk) + 'static) -> Option<(u64, usize)> {
    let ram = Ram::new(16);
    let object = KArc::try_new(Object::file(ram.clone(), 0)).expect("memory");
    let disk = std::rc::Rc::new(Disk::default());
    for index in 0..3 {
        disk.write(&ram, &object, index, 10 + index);
    }
    let meanwhile = {
        let (ram, object, disk) = (ram.clone(), object.clone(), disk.clone());
        move || work(&ram, &object, &disk)
    };
    disk.meanwhile.set(Some(Box::new(meanwhile)));
    let page = object.page(1, &*disk).expect("memory");
    let known = object.find(1);
    let frames = [&page, &known].map(|page| page.as_ref().map(|page| page.frame.pfn()));
    assert_eq!(frames[0], frames[1], "what was read is what the object has");
    let found = page.as_ref().map(|page| word(&ram, page));
    drop((page, known));
    let pages = object.resident();
    drop(object);
    assert_eq!(ram.used(), 0);
    found.map(|word| (word, pages))
}

#[test]
fn who_makes_a_page_second_gets_the_first_ones() {
    let found = while_reading(|_, object, disk| {
        object.page(1, disk).expect("memory");
    });
    assert_eq!(found, Some((11, 1)), "one page");
}

#[test]
fn what_was_read_before_a_truncation_does_not_come_in_after_it() {
    let found = while_reading(|_, object, disk| disk.truncate(object, PAGE));
    assert_eq!(found, None, "behind the end");
    let found = while_reading(|ram, object, disk| {
        disk.truncate(object, 0);
        disk.write(ram, object, 1, 5);
    });
    assert_eq!(found, Some((5, 1)), "the file has grown again since");
}

#[test]
fn what_was_read_before_a_write_does_not_come_in_after_it() {
    let found = while_reading(|ram, object, disk| disk.write(ram, object, 1, 6));
    assert_eq!(found, Some((6, 1)));
}

#[test]
fn the_object_may_grow_while_a_page_is_read() {
    let found = while_reading(|ram, object, disk| {
        disk.write(ram, object, 600, 9);
        let far = object
            .page(600, disk)
            .expect("memory")
            .expect("it is there");
        assert_eq!(word(ram, &far), 9);
    });
    assert_eq!(found, Some((11, 2)));
}

#[test]
fn a_page_in_use_is_replaced_and_not_written() {
    let ram = Ram::new(16);
    let object = Object::file(ram.clone(), 0);
    let disk = Disk::default();
    disk.write(&ram, &object, 0, 1);
    let old = object.page(0, &disk).expect("memory").expect("there");
    disk.write(&ram, &object, 0, 2);
    assert_eq!(object.resident(), 0, "whoever uses it keeps it");
    let new = object.page(0, &disk).expect("memory").expect("there");
    assert_eq!((word(&ram, &old), word(&ram, &new)), (1, 2));
    drop((old, new));
    disk.write(&ram, &object, 0, 3);
    assert_eq!(
        (object.resident(), disk.reads.get()),
        (1, 2),
        "changed in place"
    );
    let page = object.find(0).expect("there");
    assert_eq!(word(&ram, &page), 3);
    drop(page);
    end(&ram, object);
}

#[test]
fn a_page_that_cannot_be_listed_leaves_no_trace() {
    // An array; a level of tables; another one, over what there is.
    for (first, far) in [
        (None, 0),
        (None, 3),
        (None, 512),
        (Some(0), 512),
        (Some(3), 1 << 18),
    ] {
        type Failing = fn(&Ram, usize, &Object<Ram>, u64) -> (Result<(), Error>, bool);
        let frames: Failing = |ram, skip, object, far| {
            ram.failing_after(skip, || object.page(far, &Zeroes).map(|_| ()))
        };
        let records: Failing = |_, skip, object, far| {
            alloc::failing_after(skip, || object.page(far, &Zeroes).map(|_| ()))
        };
        for (failing, name) in [(frames, "frame"), (records, "record")] {
            for skip in 0.. {
                let ram = Ram::new(32);
                let object = Object::file(ram.clone(), u64::MAX);
                first.map(|index| object.page(index, &Zeroes).expect("memory"));
                let before = (ram.used(), object.resident());
                let (result, fired) = failing(&ram, skip, &object, far);
                if fired {
                    assert_eq!(result, Err(Error::NoMemory), "{name} {skip}, page {far}");
                    assert_eq!(
                        (ram.used(), object.resident()),
                        before,
                        "{name} {skip}, {far}"
                    );
                    assert!(object.find(far).is_none());
                }
                assert!(object.page(far, &Zeroes).is_ok(), "page {far} with memory");
                assert!(first.is_none_or(|index| object.find(index).is_some()));
                end(&ram, object);
                if !fired {
                    break;
                }
            }
        }
    }
}

#[test]
fn what_was_promised_takes_frames_and_no_records() {
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let most = 1 << 18;
    let sizes = [
        (1, 2),
        (3, 512),
        (512, 513),
        (10, 1025),
        (600, most),
        (2, most + 1),
    ];
    for (from, to) in sizes {
        let mut world = World::with_space(64);
        let at = world.space().mmap(0, from * PAGE, RW, shared);
        let at = at.expect("memory");
        let make = |world: &mut World, index: u64| {
            let fault = || world.space().fault(at + index * PAGE, Access::Write);
            let (result, fired) = alloc::failing_after(0, fault);
            assert_eq!(
                (result, fired),
                (Ok(Fault::Done), false),
                "page {index}, {from} to {to}"
            );
        };
        make(&mut world, from - 1);
        let grown = world.space().mremap(at, from * PAGE, to * PAGE, false);
        assert_eq!(grown, Ok(at));
        [0, to / 2, to - 1]
            .into_iter()
            .for_each(|index| make(&mut world, index));
        world.audit(true);
        world.end();
    }
}

#[test]
fn frames_for_is_what_all_pages_take() {
    for pages in [1, 2, 511, 512, 513, 1024, 1025] {
        let ram = Ram::new(1100);
        let object = anonymous(&ram, pages);
        for index in (0..pages).rev() {
            object.page(index, &Zeroes).expect("it was promised");
        }
        let most = Object::<Ram>::frames_for(pages);
        assert_eq!(ram.used() as u64, most, "frames of {pages} pages");
        assert_eq!(ram.committed(), most, "promised for {pages} pages");
        end(&ram, object);
    }
}

#[test]
fn only_an_object_that_nobody_has_locked_gives_back() {
    let mut world = World::with_space(16);
    world.map_file(0, PAGE, RW, (1, 0, PAGE)).expect("a region");
    world.cached(1, 0).expect("memory");
    let object = world.file(1).object;
    let mut windows = 0;
    object.for_each_mapped(|_| {
        windows += 1;
        assert_eq!((object.reclaimable(), object.shrink(9, true)), (0, 0));
    });
    assert_eq!((windows, object.resident()), (1, 1));
    assert_eq!((object.reclaimable(), object.shrink(9, true)), (1, 1));
    world.end();
}

#[test]
fn a_page_that_is_mapped_is_not_given_back() {
    let mut world = World::with_space(16);
    world.map_file(0, PAGE, RW, (1, 0, PAGE)).expect("a region");
    world.load(0, 0).expect("memory");
    let object = world.file(1).object;
    assert_eq!((object.reclaimable(), object.shrink(9, false)), (0, 0));
    world.store(0, 0, 1).expect("a copy");
    assert_eq!((object.reclaimable(), object.shrink(9, false)), (1, 1));
    world.end();
}

/// How many windows the object of file 1 lists.
fn windows(world: &mut World) -> usize {
    let mut count = 0;
    world.file(1).object.for_each_mapped(|_| count += 1);
    count
}

#[test]
fn parts_of_a_region_share_its_window() {
    let mut world = World::with_space(64);
    let whole = (1, 0, 8 * PAGE);
    world.map_file(0, 8 * PAGE, RW, whole).expect("a region");
    let ((), fired) = alloc::failing_after(4, || {
        for page in [1, 5] {
            let rights = world.space().mprotect(page * PAGE, PAGE, Prot::READ);
            rights.expect("memory");
        }
    });
    assert_eq!((fired, world.spaces[0].stats().regions), (false, 5));
    assert_eq!(windows(&mut world), 1);
    world.audit(false);
    world.space().mprotect(0, 8 * PAGE, RW).expect("memory");
    assert_eq!(
        (world.spaces[0].stats().regions, windows(&mut world)),
        (1, 1)
    );
    let child = world.fork(0).expect("memory");
    assert_eq!(windows(&mut world), 2, "one for each space");
    world.audit(false);
    world.exit(child);
    assert_eq!(windows(&mut world), 1);
    world
        .map_file(16 * PAGE, PAGE, RW, whole_page(3))
        .expect("a region");
    assert_eq!(windows(&mut world), 2, "the same file at two places");
    world.audit(false);
    world.exit(0);
    assert_eq!(windows(&mut world), 0);
    world.end();
}

fn whole_page(index: u64) -> (u32, u64, u64) {
    (1, index * PAGE, PAGE)
}

/// The deltas of all windows of the object that process 0 shows at an address.
fn deltas(world: &World, addr: u64) -> Vec<u64> {
    let mut deltas = vec![];
    let region = world.spaces[0].region(addr);
    let (object, _) = region.and_then(|r| r.object()).expect("shared memory");
    object.for_each_mapped(|window| deltas.push(window.delta));
    deltas
}

#[test]
fn windows_of_shared_memory_are_cut_moved_and_joined() {
    let mut world = World::with_space(64);
    let space = world.space();
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let at = space.mmap(0, 8 * PAGE, RW, shared).expect("memory");
    space.munmap(at + 2 * PAGE, PAGE).expect("memory");
    assert_eq!(deltas(&world, at), [at], "a hole in the middle");
    let space = world.space();
    let wall = space.mmap(at + 8 * PAGE, PAGE, RW, shared);
    assert_eq!(wall, Ok(at + 8 * PAGE), "in the way of growth");
    let moved = space.mremap(at + 4 * PAGE, 4 * PAGE, 5 * PAGE, true);
    let moved = moved.expect("memory");
    let both = [at, moved - 4 * PAGE];
    assert_eq!(deltas(&world, moved), both, "a part has moved");
    world.audit(true);
    let space = world.space();
    space.munmap(at, 4 * PAGE).expect("memory");
    assert_eq!(deltas(&world, moved), both[1..], "the other part is gone");
    let space = world.space();
    space.munmap(moved, 6 * PAGE).expect("memory");
    world.end();
}

#[test]
fn an_object_of_many_spaces_lists_each() {
    let mut world = World::with_space(256);
    world.map_file(0, PAGE, RW, (1, 0, PAGE)).expect("a region");
    let mut random = Random::new(1);
    for round in 0..200 {
        if world.spaces.len() < 40 && round % 100 < 60 {
            world.fork(0).expect("memory");
        } else if world.spaces.len() > 1 {
            let others = world.spaces.len() as u64 - 1;
            world.exit(1 + random.below(others) as usize);
        }
        assert_eq!(windows(&mut world), world.spaces.len());
        world.check_windows();
    }
    world.end();
}
