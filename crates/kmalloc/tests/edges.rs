//! Single cases: sizes at the ends, wrong frees by name, pages given back, memory pressure.

mod common;

use common::{TestKmalloc, free, make, usable_size};
use kmalloc::CLASSES;
use std::num::NonZero;
use std::ptr::NonNull;

#[test]
fn a_page_takes_exactly_a_page() {
    let (kmalloc, frames) = make(64);
    for size in [2049, 4095, 4096] {
        let objects: Vec<_> = (0..64)
            .map(|_| kmalloc.alloc(0, size).expect("a page"))
            .collect();
        assert_eq!(frames.free_count(), 0, "64 objects of {size} in 64 pages");
        assert!(objects.iter().all(|object| object.addr().get() % 4096 == 0));
        assert_eq!(kmalloc.alloc(0, size), None);
        objects
            .into_iter()
            .for_each(|object| free(kmalloc, 1, object).unwrap());
        assert_eq!(frames.free_count(), 64);
    }
}

#[test]
fn sizes_beyond_the_ends_give_nothing() {
    let (kmalloc, frames) = make(64);
    for size in [0, 4097, 8192, usize::MAX] {
        assert_eq!(kmalloc.alloc(0, size), None, "{size} bytes");
    }
    assert_eq!(frames.free_count(), 64);
}

#[test]
fn powers_of_two_are_aligned_to_their_size() {
    let (kmalloc, _) = make(512);
    for shift in 4..=12 {
        let size = 1 << shift;
        for _ in 0..70 {
            let object = kmalloc.alloc(0, size).expect("there is memory");
            assert_eq!(object.addr().get() % size, 0, "{object:?} for {size} bytes");
            assert_eq!(usable_size(kmalloc, object), Some(size));
        }
    }
}

#[test]
#[cfg_attr(feature = "debug", ignore = "pages hold fewer objects then")]
fn wrong_frees_are_named() {
    let (kmalloc, frames) = make(64);
    let text = |pointer: NonNull<u8>| {
        let error = free(kmalloc, 0, pointer)
            .expect_err("a wrong free")
            .to_string();
        error
            .split_once(": ")
            .expect("an address and a reason")
            .1
            .to_owned()
    };
    let at = |pointer: NonNull<u8>, offset: usize| {
        pointer.map_addr(|a| NonZero::new(a.get().wrapping_add(offset)).unwrap())
    };
    let object = kmalloc.alloc(0, 100).unwrap();
    assert_eq!(
        text(at(object, 3)),
        "misaligned, byte 3 of an object of 112"
    );
    assert_eq!(
        text(at(object, 112)),
        "the object of 112 bytes is free already",
        "in a magazine"
    );
    let page = object.map_addr(|a| NonZero::new(a.get() & !4095).unwrap());
    assert_eq!(
        text(at(page, 4090)),
        "in none of the objects of 112 bytes in its page"
    );
    assert_eq!(free(kmalloc, 0, object), Ok(()));
    assert_eq!(text(object), "the object of 112 bytes is free already");
    assert_eq!(
        text(at(object, 3)),
        "misaligned, byte 3 of an object of 112"
    );

    let whole = kmalloc.alloc(0, 4000).unwrap();
    assert_eq!(
        text(at(whole, 16)),
        "misaligned, byte 16 of an object of 4096"
    );
    assert_eq!(free(kmalloc, 0, whole), Ok(()));
    assert_eq!(text(whole), "not a kmalloc object");
    assert_eq!(text(NonNull::dangling()), "not a kmalloc object");
    assert_eq!(text(NonNull::from(&mut 5u8)), "not a kmalloc object");

    let own = (-64..64)
        .map(|n| at(page, (n * 4096isize) as usize))
        .any(|pointer| text(pointer) == "in a page of slab descriptors");
    assert!(own, "one page is the allocator's own");
    assert_eq!(
        (kmalloc.stats().live(), kmalloc.drain()),
        (0, 2),
        "slab and descriptors"
    );
    assert_eq!(frames.free_count(), 64);
}

#[test]
#[cfg_attr(feature = "debug", ignore = "pages hold fewer objects then")]
fn empty_slabs_go_back_at_once() {
    let (kmalloc, frames) = make(256);
    let objects: Vec<_> = (0..200).map(|_| kmalloc.alloc(0, 1024).unwrap()).collect();
    assert_eq!(
        frames.free_count(),
        256 - 51,
        "50 slabs and a page of descriptors"
    );
    objects
        .into_iter()
        .for_each(|object| free(kmalloc, 0, object).unwrap());
    let held = kmalloc.stats().pages();
    assert!(
        held <= 6,
        "{held} pages for a full magazine, an empty slab and descriptors"
    );
    kmalloc.drain();
    assert_eq!(frames.free_count(), 256);
}

#[test]
#[cfg_attr(feature = "debug", ignore = "pages hold fewer objects then")]
fn objects_in_other_magazines_are_found() {
    let (kmalloc, frames) = make(2);
    let mut objects: Vec<_> = std::iter::from_fn(|| kmalloc.alloc(0, 512)).collect();
    assert_eq!(
        (objects.len(), frames.free_count()),
        (8, 0),
        "a slab and a page of descriptors"
    );
    free(kmalloc, 0, objects.pop().unwrap()).unwrap();
    assert_eq!(
        kmalloc
            .stats()
            .classes
            .iter()
            .map(|class| class.cached)
            .sum::<usize>(),
        1
    );
    let got = kmalloc
        .alloc(1, 512)
        .expect("the object in the other CPU's magazine");
    assert_eq!(kmalloc.alloc(1, 512), None);
    objects.push(got);
    objects
        .into_iter()
        .for_each(|object| free(kmalloc, 0, object).unwrap());
    assert!(
        kmalloc.alloc(1, 4096).is_some(),
        "the page in the other CPU's magazine"
    );
}

#[test]
fn gives_back_under_pressure() {
    let (kmalloc, frames) = make(256);
    assert!(frames.register_shrinker(kmalloc));
    // One object of each class and then none leaves a page in each magazine.
    let objects: Vec<_> = (0..CLASSES)
        .map(|i| kmalloc.alloc(0, i * 90 + 1).unwrap())
        .collect();
    objects
        .into_iter()
        .for_each(|object| free(kmalloc, 0, object).unwrap());
    assert!(frames.free_count() < 250, "{} free", frames.free_count());
    let pages = std::iter::from_fn(|| frames.alloc(0, 0).ok()).count();
    assert_eq!((pages, kmalloc.stats().pages()), (256, 0));
}

#[test]
#[cfg_attr(feature = "debug", ignore = "pages hold fewer objects then")]
fn statistics_print() {
    let (kmalloc, _) = make(64);
    let _objects: Vec<_> = (0..10).map(|_| kmalloc.alloc(0, 64).unwrap()).collect();
    let _page = kmalloc.alloc(0, 4096).unwrap();
    let text = kmalloc.stats().to_string();
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(words[1], ["64", "10", "6", "48", "1", "4"], "{text}");
    assert_eq!(words[2], ["4096", "1", "0", "0", "1", "0"], "{text}");
    assert_eq!(words[3][..5], ["all", "11", "objects", "in", "3"], "{text}");
}

#[test]
fn an_allocator_can_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<TestKmalloc>();
}
