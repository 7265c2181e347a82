//! Regions that show a file.

use crate::ram::File;
use crate::world::{PAGE, RW, RX, World, file_word};
use abi::Prot;
use fallible::KArc;
use std::sync::atomic::Ordering::Relaxed;
use vm::object::Zeroes;
use vm::{Access, Error, Fault, FaultError, Mappable, Object, ObjectRange, RegionKind};

const FILE: u32 = 9;

/// The file and the page that a fault asks for.
fn needed(fault: Result<Fault<File>, FaultError>) -> Option<(u32, u64)> {
    match fault {
        Ok(Fault::NeedPage { file, index }) => Some((file.number, index)),
        _ => None,
    }
}

#[test]
fn whole_pages_are_those_of_the_cache() {
    let mut world = World::with_space(64);
    world
        .map_file(0, 3 * PAGE, RX, (FILE, 2 * PAGE, 3 * PAGE))
        .expect("a region");
    assert_eq!(
        needed(world.spaces[0].fault(PAGE + 4, Access::Execute)),
        Some((FILE, 3))
    );
    assert_eq!(world.load(0, PAGE + 8), Ok(file_word(FILE, 3 * PAGE + 8)));
    let pfn = world.frame_of(FILE, 3).expect("cached");
    assert_eq!(
        world.spaces[0].translate(PAGE),
        Some((pfn, RX)),
        "the cache's own frame"
    );
    world.audit(false);
    world.drop_cache();
    assert_eq!(
        world.load(0, PAGE),
        Ok(file_word(FILE, 3 * PAGE)),
        "after the cache let go"
    );
    world.end();
}

#[test]
fn a_write_copies_and_leaves_the_file_alone() {
    for read_first in [false, true] {
        let mut world = World::with_space(64);
        world
            .map_file(0, PAGE, RW, (FILE, 0, PAGE))
            .expect("a region");
        if read_first {
            assert_eq!(world.load(0, 8), Ok(file_word(FILE, 8)));
        }
        assert_eq!(world.store(0, 8, 77), Ok(()));
        assert_eq!(world.load(0, 8), Ok(77));
        assert_eq!(world.load(0, 16), Ok(file_word(FILE, 16)));
        let cached = world.frame_of(FILE, 0).expect("cached");
        assert_eq!(
            world.ram.words(cached)[1].value(),
            file_word(FILE, 8),
            "the cache"
        );
        world.audit(false);
        world.end();
    }
}

trait Value {
    fn value(&self) -> u64;
}

impl Value for std::sync::atomic::AtomicU64 {
    fn value(&self) -> u64 {
        self.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[test]
fn behind_the_files_part_there_is_zero() {
    let valid = PAGE + 24;
    for first in [Access::Read, Access::Write, Access::Execute] {
        let mut world = World::with_space(64);
        let prot = Prot::all();
        world
            .map_file(0, 4 * PAGE, prot, (FILE, PAGE, valid))
            .expect("a region");
        assert_eq!(world.access(0, PAGE, first).map(|_| ()), Ok(()));
        assert_eq!(
            world.load(0, PAGE + 16),
            Ok(file_word(FILE, 2 * PAGE + 16)),
            "{first:?}"
        );
        assert_eq!(
            world.load(0, PAGE + 24),
            Ok(0),
            "behind the file's part, {first:?}"
        );
        assert_eq!(
            world.load(0, 2 * PAGE - 8),
            Ok(0),
            "end of the page, {first:?}"
        );
        assert_eq!(
            world.spaces[0].fault(3 * PAGE, first),
            Ok(Fault::Done),
            "no file there"
        );
        assert_eq!(world.load(0, 3 * PAGE), Ok(0));
        let cached = world.frame_of(FILE, 2);
        assert_ne!(
            world.spaces[0].translate(PAGE).map(|t| t.0),
            cached,
            "a private copy"
        );
        world.audit(false);
        world.end();
    }
}

#[test]
fn the_tail_may_end_inside_a_word() {
    let mut world = World::with_space(64);
    world
        .map_file(0, PAGE, Prot::READ, (FILE, 0, 13))
        .expect("a region");
    let whole = file_word(FILE, 8);
    assert_eq!(
        world.load(0, 8),
        Ok(whole & 0xff_ffff_ffff),
        "five bytes of the second word"
    );
    world.end();
}

#[test]
fn a_page_that_is_gone_again_is_asked_for_again() {
    let mut world = World::with_space(64);
    world
        .map_file(0, 2 * PAGE, RX, (FILE, 0, 2 * PAGE))
        .expect("a region");
    for (file, index) in [(FILE, 1), (FILE + 1, 0)] {
        world.cached(file, index).expect("memory");
        assert_eq!(
            needed(world.spaces[0].fault(0, Access::Read)),
            Some((FILE, 0))
        );
    }
    world.audit(false);
    let page = world.cached(FILE, 0);
    world.drop_cache();
    assert_eq!(
        needed(world.spaces[0].fault(0, Access::Read)),
        Some((FILE, 0))
    );
    drop(page);
    world.audit(false);
    let page = world.cached(FILE, 0);
    let result = world.spaces[0].fault(0, Access::Write);
    assert_eq!(result, Err(FaultError::Refused), "text is not for writing");
    let result = world.spaces[0].fault(9 * PAGE, Access::Read);
    assert_eq!(result, Err(FaultError::Refused));
    drop(page);
    world.audit(false);
    world.end();
}

#[test]
fn a_page_that_comes_too_late_goes_back() {
    let mut world = World::with_space(64);
    world
        .map_file(0, PAGE, RW, (FILE, 0, PAGE))
        .expect("a region");
    world.store(0, 0, 5).expect("writable");
    world.cached(FILE, 0).expect("memory");
    assert_eq!(world.spaces[0].fault(0, Access::Read), Ok(Fault::Done));
    assert_eq!(world.load(0, 0), Ok(5), "what was written meanwhile stays");
    world.audit(false);
    world.end();
}

#[test]
fn no_frame_for_the_copy_leaves_the_page_to_the_file() {
    let mut world = World::with_space(64);
    world
        .map_file(0, PAGE, RW, (FILE, 0, PAGE))
        .expect("a region");
    world.cached(FILE, 0).expect("memory");
    let ram = world.ram.clone();
    let fault = || world.spaces[0].fault(0, Access::Write);
    assert_eq!(
        ram.failing_after(2, fault),
        (Err(FaultError::OutOfMemory), true)
    );
    world.audit(false);
    assert_eq!(world.spaces[0].stats().page_tables, 1, "no table stayed");
    world.end();
}

#[test]
fn the_last_owner_of_a_cached_page_takes_it() {
    let mut world = World::with_space(64);
    world
        .map_file(0, PAGE, RW, (FILE, 0, PAGE))
        .expect("a region");
    let before = world.access(0, 0, Access::Read);
    world.drop_cache();
    assert_eq!(
        world.access(0, 0, Access::Write),
        before,
        "the frame, written in place"
    );
    assert_eq!(world.load(0, 8), Ok(file_word(FILE, 8)));
    world.end();
}

#[test]
fn two_spaces_show_one_page() {
    let mut world = World::with_space(64);
    let other = vm::AddressSpace::new(world.ram.clone()).expect("memory");
    world.spaces.push(other);
    for p in 0..2 {
        let part = world.part(FILE, 0, PAGE);
        let mapped = world.spaces[p].map_object(0, PAGE, RX, part);
        mapped.expect("a region");
    }
    world.check_windows();
    let (a, b) = (
        world.access(0, 0, Access::Execute),
        world.access(1, 0, Access::Execute),
    );
    assert_eq!(a, b);
    world.audit(false);
    world.end();
}

#[test]
fn senseless_file_regions_are_refused() {
    let mut world = World::with_space(16);
    let mut map =
        |start, len, offset, file_len| world.map_file(start, len, RX, (FILE, offset, file_len));
    assert_eq!(
        map(1, PAGE, 0, PAGE),
        Err(Error::Invalid),
        "start inside a page"
    );
    assert_eq!(map(0, 0, 0, 0), Err(Error::Invalid), "nothing");
    assert_eq!(
        map(0, PAGE, 8, PAGE),
        Err(Error::Invalid),
        "offset inside a page"
    );
    assert_eq!(
        map(0, PAGE, 0, PAGE + 1),
        Err(Error::Invalid),
        "more file than memory"
    );
    assert_eq!(
        map(0, PAGE, !4095, PAGE),
        Err(Error::Invalid),
        "the file wraps"
    );
    assert_eq!(
        map(abi::USER_TOP, PAGE, 0, PAGE),
        Err(Error::Invalid),
        "too high"
    );
    assert_eq!(map(0, u64::MAX, 0, PAGE), Err(Error::Invalid), "too long");
    assert_eq!(
        map(0, 100, 0, PAGE),
        Ok(()),
        "a length counts its last page in full"
    );
    assert_eq!(map(0, PAGE, 0, PAGE), Err(Error::Occupied));
    let region = world.spaces[0]
        .regions()
        .next()
        .map(|r| (r.kind(), r.file().map(|(file, at)| (file.number, at))));
    assert_eq!(region, Some((RegionKind::Text, Some((FILE, 0)))));
    world.end();
}

#[test]
fn anonymous_memory_can_be_shown_privately() {
    let mut world = World::with_space(16);
    let object = Object::anonymous(world.ram.clone(), 2 * PAGE).expect("memory");
    let object = KArc::try_new(object).expect("memory");
    let first = object.page(0, &Zeroes).expect("memory").expect("no end");
    world.ram.words(first.frame.pfn())[1].store(7, Relaxed);
    drop(first);
    let part = ObjectRange {
        of: Mappable::Anonymous(object),
        offset: 0,
        len: 2 * PAGE,
    };
    let mapped = world.space().map_object(0, 2 * PAGE, RW, part);
    assert_eq!(mapped, Ok(()));
    world.fork(0).expect("memory");
    assert_eq!(world.load(0, 8), Ok(7), "what was there");
    assert_eq!(world.load(0, PAGE), Ok(0), "what was not");
    world.store(0, 8, 1).expect("writable");
    assert_eq!((world.load(0, 8), world.load(1, 8)), (Ok(1), Ok(7)));
    world.end();
}
