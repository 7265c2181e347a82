//! Where an object is mapped: the list of its windows, for reverse mapping.

use super::Object;
use crate::{Error, Machine};
use frames::Pfn;
use kmalloc::KVec;

/// A place where an object is mapped: in the space with this page table, the entry for page `n` can only
/// be at `delta + n * PAGE`. Whether it is the object's is to be seen by its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The root of the page table.
    pub table: Pfn,
    /// Address less offset, modulo 2^64.
    pub delta: u64,
}

impl<M: Machine> Object<M> {
    /// Lists a window.
    pub(crate) fn link(&self, window: Mapped) -> Result<(), Error> {
        let mut room = KVec::new();
        let mut state = loop {
            let mut state = self.state.lock();
            let count = state.mapped.len();
            if count < state.mapped.capacity() {
                break state;
            }
            if count < room.capacity() {
                move_all(&mut state.mapped, &mut room);
                break state;
            }
            drop(state);
            room = KVec::try_with_capacity((2 * count).max(4))?;
        };
        let added = state.mapped.push_reserved(window);
        debug_assert!(added.is_ok(), "there was room for the window");
        Ok(())
    }

    /// Takes a window off the list.
    pub(crate) fn unlink(&self, window: Mapped) {
        let mut state = self.state.lock();
        let place = state.mapped.iter().rposition(|&other| other == window);
        debug_assert!(place.is_some(), "{window:?} is not on the list");
        if let Some(place) = place {
            state.mapped.swap_remove(place);
        }
        let (count, room) = (state.mapped.len(), state.mapped.capacity());
        if count == 0 {
            state.mapped = KVec::new();
        } else if room > 8 && count <= room / 4 {
            drop(state);
            self.shorten(room / 2);
        }
    }

    /// Gives back room in the list, if there is memory for a shorter one.
    #[cold]
    fn shorten(&self, room: usize) {
        let Ok(mut shorter) = KVec::try_with_capacity(room) else {
            return;
        };
        let mut state = self.state.lock();
        if state.mapped.len() <= room && room < state.mapped.capacity() {
            move_all(&mut state.mapped, &mut shorter);
        }
    }

    /// Tells of every window, in no order. The object is locked meanwhile.
    pub fn for_each_mapped(&self, mut tell: impl FnMut(Mapped)) {
        self.state
            .lock()
            .mapped
            .iter()
            .for_each(|&window| tell(window));
    }
}

/// Moves everything to another vector, which has room for it and takes the place of the first. That is left
/// in `other`, to be dropped without the lock.
fn move_all<T>(vec: &mut KVec<T>, other: &mut KVec<T>) {
    core::mem::swap(vec, other);
    while let Some(value) = other.pop() {
        let moved = vec.push_reserved(value);
        debug_assert!(moved.is_ok(), "the other vector has no room");
    }
}
