//! A CPU's own free objects, in front of the slabs.

use crate::class::{CLASSES, TABLE};
use crate::depot::{BATCH, Object, Objects};

/// Objects of a class that a CPU can keep.
pub(crate) const MAGAZINE: usize = 2 * BATCH;

/// A stack of objects for each class. Alone on its cache lines, so that CPUs do not disturb each
/// other.
#[repr(align(64))]
pub(crate) struct Magazines {
    lens: [u16; CLASSES],
    /// What is the most of each, at most `MAGAZINE`.
    most: [u16; CLASSES],
    objects: [[Object; MAGAZINE]; CLASSES],
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
        objects: [[Object::NONE; MAGAZINE]; CLASSES],
    };

    /// Objects of a class.
    pub(crate) fn len(&self, class: usize) -> usize {
        self.lens.get(class).copied().map_or(0, usize::from)
    }

    /// The object of a class that came last.
    #[inline(always)]
    pub(crate) fn pop(&mut self, class: usize) -> Option<Object> {
        let len = self.lens.get_mut(class)?;
        *len = len.checked_sub(1)?;
        let object = self.objects.get(class)?[usize::from(*len) % MAGAZINE];
        Some(object)
    }

    /// Adds an object of a class; false if there are enough.
    #[inline(always)]
    pub(crate) fn push(&mut self, class: usize, object: Object) -> bool {
        let most = self.most.get(class).copied().unwrap_or(0);
        match (self.lens.get_mut(class), self.objects.get_mut(class)) {
            (Some(len), Some(objects)) if *len < most => {
                objects[usize::from(*len) % MAGAZINE] = object;
                *len += 1;
                true
            }
            _ => false,
        }
    }

    /// Takes out the `most` objects of a class that came first, or as many as `to` has room for.
    pub(crate) fn move_oldest(&mut self, class: usize, to: &mut Objects, most: usize) {
        let (Some(len), Some(objects)) = (self.lens.get_mut(class), self.objects.get_mut(class))
        else {
            return;
        };
        let before = usize::from(*len).min(MAGAZINE);
        let mut moved = 0;
        while moved < before.min(most) && to.push(objects[moved]) {
            moved += 1;
        }
        objects.copy_within(moved..before, 0);
        *len = (before - moved) as u16;
    }
}
