//! Why a call failed.

use crate::tag::State;
use crate::{MAX_ORDER, Pfn};
use core::fmt;

/// There is no free block of that order, also after the shrinkers were asked and the CPUs' caches
/// emptied. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("out of memory")
    }
}

impl core::error::Error for OutOfMemory {}

/// A frame was given back, shared or marked that is not the caller's to do so with. Nothing was
/// changed. It is a bug of the caller; a kernel will want to stop with this text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongFree {
    /// The frame.
    pub frame: Pfn,
    /// The order that was named, where one was.
    pub order: Option<usize>,
    /// What the frame is.
    pub state: State,
}

impl WrongFree {
    /// Whether the frame cannot be the start of a block of the order named.
    pub fn is_misaligned(&self) -> bool {
        self.order.is_some_and(|order| {
            order > MAX_ORDER || self.frame.get().trailing_zeros() < order as u32
        })
    }

    /// Whether the frame is free, so that this was probably the second time.
    pub fn is_twice(&self) -> bool {
        self.state == State::Free
    }
}

impl fmt::Display for WrongFree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrong free of frame {:#x}", self.frame.addr())?;
        if let Some(order) = self.order {
            write!(f, " with order {order}")?;
        }
        if self.is_misaligned() {
            f.write_str(" (misaligned)")?;
        }
        write!(f, ": it is {}", self.state)
    }
}

impl core::error::Error for WrongFree {}
