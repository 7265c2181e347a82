//! The feature `debug`: what is written where it should not be is found and named.
#![cfg(feature = "debug")]

mod common;

use common::{TestKmalloc, free, make, usable_size};
use kmalloc::{Reason, WrongFree, size_for};
use std::alloc::Layout;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

/// Sizes at the ends of classes and beside them, and those of whole pages.
const SIZES: [usize; 16] = [
    1, 15, 16, 17, 48, 64, 100, 112, 128, 500, 1000, 1344, 1345, 2032, 2033, 4095,
];

fn poke(object: NonNull<u8>, offset: isize) {
    // SAFETY: wrong on purpose, but always inside the memory that the allocator has.
    unsafe {
        let byte = object.offset(offset);
        byte.write(!byte.read());
    }
}

/// What the panic said.
fn panics(work: impl FnOnce()) -> String {
    let cause = catch_unwind(AssertUnwindSafe(work)).expect_err("a panic");
    cause.downcast_ref::<String>().expect("a text").clone()
}

/// An object that has another in front of it in its page.
fn not_the_first(kmalloc: &TestKmalloc, size: usize) -> NonNull<u8> {
    std::iter::repeat_with(|| kmalloc.alloc(0, size).expect("memory"))
        .take(8)
        .find(|object| object.addr().get() % 4096 != 0)
        .expect("at most one in two is the first")
}

#[test]
fn one_byte_too_many_is_found_and_named() {
    for size in SIZES {
        let (kmalloc, _) = make(64);
        let object = kmalloc.alloc(0, size).expect("memory");
        poke(object, size as isize);
        let error = free(kmalloc, 0, object).expect_err("a byte behind the object was changed");
        let Reason::Overrun { offset, class, .. } = error.reason else {
            panic!("{size} bytes: {error}");
        };
        assert_eq!(error.address, object.addr().get());
        assert!(
            usize::from(offset) == size && usize::from(class) > size,
            "{size} bytes: {error}"
        );
        poke(object, size as isize);
        assert_eq!(free(kmalloc, 0, object), Ok(()), "nothing was done before");
    }
}

#[test]
fn each_byte_behind_an_object_counts() {
    let (kmalloc, _) = make(64);
    let object = kmalloc.alloc(0, 100).expect("memory");
    for offset in 100..128 {
        poke(object, offset);
        let error = free(kmalloc, 1, object).expect_err("a changed byte");
        // Where the record of the size is broken, its own start is all that is known.
        let known = if (112..120).contains(&offset) {
            112
        } else {
            offset
        };
        let Reason::Overrun { offset: seen, .. } = error.reason else {
            panic!("byte {offset}: {error}");
        };
        assert_eq!(
            (isize::try_from(seen), error.address),
            (Ok(known), object.addr().get())
        );
        poke(object, offset);
    }
    assert_eq!(free(kmalloc, 1, object), Ok(()));
}

#[test]
fn bytes_in_front_count() {
    let (kmalloc, _) = make(64);
    for size in SIZES.into_iter().filter(|&size| size <= 1000) {
        let object = not_the_first(kmalloc, size);
        for before in 1..=8 {
            poke(object, -before);
            let error = free(kmalloc, 0, object).expect_err("a changed byte");
            let Reason::Underrun { before: seen, .. } = error.reason else {
                panic!("{size} bytes, {before} in front: {error}");
            };
            assert_eq!(isize::try_from(seen), Ok(before), "{size} bytes: {error}");
            poke(object, -before);
        }
        assert_eq!(free(kmalloc, 0, object), Ok(()));
    }
}

#[test]
fn small_objects_are_never_the_first_of_their_page() {
    let (kmalloc, _) = make(256);
    for size in [1, 16, 17, 48, 100, 256, 400] {
        for _ in 0..100 {
            let object = kmalloc.alloc(0, size).expect("memory");
            assert_ne!(object.addr().get() % 4096, 0, "{size} bytes at {object:?}");
        }
    }
}

#[test]
fn a_write_after_the_free_is_found_at_the_next_alloc() {
    let (kmalloc, _) = make(64);
    let object = kmalloc.alloc(0, 100).expect("memory");
    free(kmalloc, 0, object).unwrap();
    poke(object, 42);
    let text = panics(|| assert_eq!(kmalloc.alloc(0, 100), None));
    let expected = format!(
        "kmalloc: the free object at {:#x}, of the class of 128 bytes, was written to: byte 42 is 0x58",
        object.addr()
    );
    assert_eq!(text, expected);
}

#[test]
fn a_write_after_the_free_is_found_when_the_page_goes_back() {
    for offset in [0, 17, 111, 112, 127] {
        let (kmalloc, _) = make(64);
        let object = kmalloc.alloc(0, 100).expect("memory");
        free(kmalloc, 0, object).unwrap();
        poke(object, offset);
        let text = panics(|| assert_eq!(kmalloc.drain(), 0));
        assert!(text.contains(&format!("byte {offset} is")), "{text}");
        assert!(text.contains(&format!("{:#x}", object.addr())), "{text}");
    }
}

#[test]
fn what_is_read_from_new_and_free_objects_is_poison() {
    for size in SIZES {
        let (kmalloc, _) = make(64);
        let object = kmalloc.alloc(0, size).expect("memory");
        // SAFETY: the object has these bytes, and later they are still mapped; nobody else runs.
        let bytes = |count| unsafe { std::slice::from_raw_parts(object.as_ptr(), count) };
        assert!(
            bytes(size).iter().all(|&byte| byte == 0xa7),
            "{size} bytes, new"
        );
        common::fill(object, size);
        free(kmalloc, 0, object).unwrap();
        assert!(
            bytes(size).iter().all(|&byte| byte == 0xa7),
            "{size} bytes, freed"
        );
    }
}

#[test]
fn all_a_page_is_for_the_object() {
    let (kmalloc, frames) = make(2);
    let objects = [kmalloc.alloc(0, 4096), kmalloc.alloc(0, 4096)].map(Option::unwrap);
    assert_eq!(frames.free_count(), 0, "two objects of a page in two pages");
    for object in objects {
        common::fill(object, 4096);
        common::verify(object, 4096);
        assert_eq!(usable_size(kmalloc, object), Some(4096));
        assert_eq!(free(kmalloc, 0, object), Ok(()));
    }
    assert_eq!(frames.free_count(), 2);
}

#[test]
fn two_frees_are_still_two_frees() {
    let (kmalloc, _) = make(64);
    let object = kmalloc.alloc(0, 100).expect("memory");
    free(kmalloc, 0, object).unwrap();
    let reason = Reason::Free { size: 128 };
    let address = object.addr().get();
    assert_eq!(free(kmalloc, 0, object), Err(WrongFree { address, reason }));
}

#[test]
#[cfg_attr(miri, ignore = "it looks at every byte of 100 pages")]
fn layouts_get_their_alignment_and_objects_stay_apart() {
    let (kmalloc, _) = make(2048);
    let mut taken = BTreeSet::new();
    for align in (0..=12).map(|shift| 1usize << shift) {
        for size in [1, 8, 24, 64, 96, 200, 576, 1024, 2048, 4096] {
            let layout = Layout::from_size_align(size, align).unwrap();
            let object = kmalloc.alloc(1, size_for(layout).unwrap()).expect("memory");
            let start = object.addr().get();
            assert_eq!(start % align, 0, "{layout:?} at {object:?}");
            common::fill(object, size);
            assert!(
                (start..start + size).all(|byte| taken.insert(byte)),
                "{layout:?} overlaps"
            );
        }
    }
}

#[test]
fn the_texts_tell_what_is_known() {
    let (kmalloc, _) = make(64);
    let object = kmalloc.alloc(0, 100).expect("memory");
    let text = || {
        free(kmalloc, 0, object)
            .expect_err("a changed byte")
            .to_string()
    };
    let start = format!("wrong free of {:#x}: ", object.addr());
    poke(object, 103);
    assert_eq!(
        text(),
        start.clone()
            + "byte 103 of an object of 100, behind its end, was written to (class of 128)"
    );
    poke(object, 103);
    poke(object, -3);
    assert_eq!(
        text(),
        start + "3 bytes in front of the object was written to (class of 128)"
    );
}
