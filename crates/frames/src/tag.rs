//! Tags: a byte for each frame, its state.
//!
//! A block of several frames has its tag at its first frame; the others keep [`FREE`], so that
//! their numbers are no blocks to free.

use crate::record::COUNT;
use core::fmt;

/// The lowest tag that is no mark of the object allocator.
pub(crate) const UNMARKED: u8 = 0x80;
/// Not RAM, or not the allocator's.
pub(crate) const RESERVED: u8 = 0x80;
/// Free, in the buddy allocator or in a CPU's cache; or inside a block.
pub(crate) const FREE: u8 = 0x81;
/// Handed out, with one reference; the order in the low bits.
pub(crate) const LIVE: u8 = 0x90;
/// Handed out, with a count of further references, which was not always zero.
pub(crate) const SHARED: u8 = 0xa0;
/// Handed out as a compound block, above order 0, with a count of further references.
pub(crate) const COMPOUND: u8 = 0xc0;
/// The bits that tell these apart.
const KIND: u8 = 0xf0;
/// The order of a block.
pub(crate) const LOW: u8 = 0x0f;

/// What a frame is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Outside of the memory that is managed.
    Outside,
    /// A hole, or memory that was reserved from the start.
    Reserved,
    /// Free.
    Free,
    /// Inside a block that is in use.
    Inside {
        /// Frames from the block's first one.
        offset: u32,
        /// The block's order.
        order: usize,
    },
    /// The first frame of a block in use.
    Used {
        /// The block's order.
        order: usize,
        /// References to it.
        refs: u32,
    },
    /// The first frame of a compound block in use.
    Compound {
        /// The block's order, 1 or more.
        order: usize,
        /// References to it.
        refs: u32,
    },
    /// Marked as the object allocator's; the mark, below 128.
    Marked(u8),
}

impl State {
    /// The state that a tag and a record of references describe, except that a free frame may be inside a block.
    pub(crate) fn of(tag: u8, record: u32) -> State {
        let count = record & COUNT;
        let order = usize::from(tag & LOW);
        match tag & KIND {
            LIVE => State::Used { order, refs: 1 },
            SHARED => State::Used {
                order,
                refs: count.saturating_add(1),
            },
            COMPOUND => State::Compound {
                order,
                refs: count.saturating_add(1),
            },
            _ if tag < UNMARKED => State::Marked(tag),
            _ if tag == FREE => State::Free,
            _ => State::Reserved,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            State::Outside => f.write_str("outside of managed memory"),
            State::Reserved => f.write_str("reserved"),
            State::Free => f.write_str("free already"),
            State::Inside { offset, order } => {
                write!(f, "frame {offset} of a block of order {order}")
            }
            State::Used { order, refs: 1 } => write!(f, "in use with order {order}"),
            State::Used { order, refs } => {
                write!(f, "in use with order {order} and {refs} references")
            }
            State::Compound { order, refs } => {
                write!(
                    f,
                    "a compound block of order {order} with {refs} references"
                )
            }
            State::Marked(mark) => write!(f, "a page of objects (mark {mark})"),
        }
    }
}
