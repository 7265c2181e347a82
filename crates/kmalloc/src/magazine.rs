//! Magazines (Bonwick and Adams, 2001): per-CPU caches of free objects, in front of the slabs.

use crate::class::{CLASSES, MAGAZINE, TABLE};
use crate::object::{Object, Objects};
use core::mem::MaybeUninit;

/// A CPU's magazines, one for each class. Aligned to cache lines, against false sharing.
#[repr(align(64))]
pub(crate) struct Magazines {
    lens: [u16; CLASSES],
    /// Capacity of each magazine, at most `MAGAZINE`.
    most: [u16; CLASSES],
    /// In each magazine, the first `len` are initialized.
    objects: [[MaybeUninit<Object>; MAGAZINE]; CLASSES],
}

impl Magazines {
    pub(crate) const EMPTY: Magazines = Magazines {
        lens: [0; CLASSES],
        most: {
            let mut most = [0; CLASSES];
            let mut class = 0;
            while class < CLASSES {
                most[class] = TABLE[class].most_cached;
                class += 1;
            }
            most
        },
        objects: [[MaybeUninit::uninit(); MAGAZINE]; CLASSES],
    };

    /// Number of objects of a class.
    pub(crate) fn len(&self, class: usize) -> usize {
        self.lens.get(class).copied().map_or(0, usize::from)
    }

    /// Pops an object of a class.
    #[inline(always)]
    pub(crate) fn pop(&mut self, class: usize) -> Option<Object> {
        let len = self.lens.get_mut(class)?;
        *len = len.checked_sub(1)?;
        let object = self.objects.get(class)?[usize::from(*len) % MAGAZINE];
        // SAFETY: the index is below the old length, so `push` has stored an object there.
        Some(unsafe { object.assume_init() })
    }

    /// Pushes an object of a class; returns false if the magazine is full.
    #[inline(always)]
    pub(crate) fn push(&mut self, class: usize, object: Object) -> bool {
        let most = self.most.get(class).copied().unwrap_or(0);
        match (self.lens.get_mut(class), self.objects.get_mut(class)) {
            (Some(len), Some(objects)) if *len < most => {
                objects[usize::from(*len) % MAGAZINE] = MaybeUninit::new(object);
                *len += 1;
                true
            }
            _ => false,
        }
    }

    /// Moves the `most` oldest objects of a class to `to`, or as many as fit.
    pub(crate) fn move_oldest(&mut self, class: usize, to: &mut Objects, most: usize) {
        let (Some(len), Some(objects)) = (self.lens.get_mut(class), self.objects.get_mut(class))
        else {
            return;
        };
        let before = usize::from(*len).min(MAGAZINE);
        let mut moved = 0;
        while moved < before.min(most)
            // SAFETY: the index is below the length, so `push` has stored an object there.
            && to.push(unsafe { objects[moved].assume_init() })
        {
            moved += 1;
        }
        objects.copy_within(moved..before, 0);
        *len = (before - moved) as u16;
    }
}
