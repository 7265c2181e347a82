//! Two threads on one allocator: objects are freed by the one that made them or by the other, and
//! checked for what was written into them.

mod common;

use common::{Numbers, fill, free, make, rounds, verify};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// An object on its way to the other thread.
struct Parcel(NonNull<u8>, usize);

// SAFETY: whoever has the parcel has the object.
unsafe impl Send for Parcel {}

#[test]
fn objects_can_be_freed_by_another_thread() {
    let (kmalloc, frames) = make(300);
    assert!(frames.register_shrinker(kmalloc));
    let post = Mutex::new(Vec::<Parcel>::new());
    let work = |cpu: usize| {
        let mut numbers = Numbers::new(cpu as u64 + 1);
        let mut held = Vec::new();
        for _ in 0..rounds(20_000) {
            let size = match numbers.below(10) {
                0 => 1 + numbers.below(4096),
                1..4 => 1 + numbers.below(1000),
                _ => 1 + numbers.below(200),
            };
            if numbers.below(100) < 52 {
                if let Some(object) = kmalloc.alloc(cpu, size) {
                    fill(object, size);
                    held.push(Parcel(object, size));
                }
            } else if !held.is_empty() {
                let parcel = held.swap_remove(numbers.below(held.len()));
                if numbers.below(4) == 0 {
                    post.lock().unwrap().push(parcel);
                    continue;
                }
                verify(parcel.0, parcel.1);
                free(kmalloc, cpu, parcel.0).unwrap();
            }
            let arrived = (numbers.below(8) == 0)
                .then(|| post.lock().unwrap().pop())
                .flatten();
            if let Some(Parcel(object, size)) = arrived {
                verify(object, size);
                free(kmalloc, cpu, object).unwrap();
            }
        }
        post.lock().unwrap().extend(held);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| work(0));
        scope.spawn(|| work(1));
    });
    for Parcel(object, size) in post.into_inner().unwrap() {
        verify(object, size);
        free(kmalloc, 0, object).unwrap();
    }
    assert_eq!(kmalloc.stats().live(), 0);
    kmalloc.drain();
    assert_eq!(frames.free_count(), 300, "{}", kmalloc.stats());
}

#[test]
fn of_two_frees_one_is_refused() {
    let (kmalloc, frames) = make(16);
    let refused = AtomicUsize::new(0);
    let keep = kmalloc.alloc(0, 48).unwrap();
    for _ in 0..rounds(1_000) {
        let object = kmalloc.alloc(0, 48).unwrap();
        let free = |cpu: usize, Parcel(object, _): Parcel| {
            refused.fetch_add(
                usize::from(free(kmalloc, cpu, object).is_err()),
                Ordering::Relaxed,
            );
        };
        let other = Parcel(object, 48);
        std::thread::scope(|scope| {
            scope.spawn(move || free(1, other));
            free(0, Parcel(object, 48));
        });
    }
    assert_eq!(refused.load(Ordering::Relaxed), rounds(1_000));
    free(kmalloc, 0, keep).unwrap();
    kmalloc.drain();
    assert_eq!(frames.free_count(), 16);
}
