//! Memory and steps on its frames. Both come out of a few bytes each, from `proptest` or from a
//! fuzzer.
#![allow(dead_code)]

use crate::common::range;
use frames::{MAX_ORDER, Pfn};
use std::ops::Range;

/// The lowest frame that may be RAM; a multiple of the largest block.
pub const BOTTOM: u32 = 0x80000;
/// Frames that the starts of RAM are within.
const SPAN: u32 = 6000;
/// Frames that one piece of RAM has at most.
const PIECE: u32 = 2500;
/// Behind all that may be RAM; a multiple of the largest block.
pub const TOP: u32 = (BOTTOM + SPAN + PIECE).next_multiple_of(1 << MAX_ORDER);
/// CPU numbers that are used: one more than there may be.
const CPUS: u8 = 4;

/// Bytes that make a [`Machine`].
pub const MACHINE_BYTES: usize = 21;
/// Bytes that make a [`Step`].
pub const STEP_BYTES: usize = 6;

/// Memory, and how many CPUs there are.
#[derive(Clone, Debug)]
pub struct Machine {
    pub usable: Vec<Range<Pfn>>,
    pub reserved: Vec<Range<Pfn>>,
    pub cpus: usize,
}

impl Machine {
    /// The machine that some bytes stand for; every one stands for one.
    pub fn decode(bytes: [u8; MACHINE_BYTES]) -> Machine {
        let [numbers, ranges @ ..] = bytes;
        let one = |&[a, b, c, d]: &[u8; 4]| {
            let start = BOTTOM + u32::from(u16::from_le_bytes([a, b])) % SPAN;
            range(start, start + u32::from(u16::from_le_bytes([c, d])) % PIECE)
        };
        let ranges: Vec<_> = ranges.as_chunks().0.iter().map(one).collect();
        let (usable, reserved) = ranges.split_at(3);
        Machine {
            usable: usable[..usize::from(numbers & 7).min(3)].to_vec(),
            reserved: reserved[..usize::from(numbers >> 3 & 3).min(2)].to_vec(),
            cpus: usize::from(numbers >> 5) % usize::from(CPUS),
        }
    }

    pub fn is_ram(&self, number: u32) -> bool {
        self.usable.iter().any(|r| r.contains(&Pfn::new(number)))
    }

    pub fn is_reserved(&self, number: u32) -> bool {
        self.reserved.iter().any(|r| r.contains(&Pfn::new(number)))
    }

    /// Whether a frame is left for the allocator.
    pub fn is_managed(&self, number: u32) -> bool {
        self.is_ram(number) && !self.is_reserved(number)
    }
}

/// What is done in one step. `which` picks a block in use, `number` is any frame's.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub enum Step {
    Alloc { cpu: usize, order: usize },
    Free { cpu: usize, which: usize },
    /// And at once again, when the frame may be in the CPU's cache.
    FreeTwice { cpu: usize, which: usize },
    FreeWrongOrder { cpu: usize, which: usize, order: usize },
    FreeInside { cpu: usize, which: usize, offset: u32 },
    /// Whatever the frame is.
    FreeAny { cpu: usize, number: u32, order: usize },
    ReleaseAny { cpu: usize, number: u32 },
    Retain { which: usize },
    Release { cpu: usize, which: usize },
    MarkAndBack { which: usize },
    Bulk { cpu: usize, count: usize, keep: usize },
    TryAlloc { order: usize },
    /// Where there is an order, what starts at the multiple of its size at or before the block;
    /// otherwise one of the latest blocks from `TryAlloc` and `Join`. The same for the next three.
    RetainBlock { which: usize, order: Option<usize> },
    ReleaseBlock { cpu: usize, which: usize, order: Option<usize> },
    Split { which: usize, order: Option<usize> },
    Join { which: usize, order: Option<usize> },
    ReleaseUnlessLast { which: usize },
    /// Until there is no block of the order; then all of them back.
    Exhaust { cpu: usize, order: usize },
    Drain,
}

impl Step {
    /// The step that some bytes stand for; every one stands for one.
    #[rustfmt::skip]
    pub fn decode([kind, cpu, a, b, c, d]: [u8; STEP_BYTES]) -> Step {
        let cpu = usize::from(cpu % CPUS);
        let which = usize::from(u16::from_le_bytes([a, b]));
        let number = BOTTOM - 100 + u32::from(u16::from_le_bytes([a, b])) % (SPAN + 3000);
        let order = match c {
            0..150 => 0,
            150..225 => 1 + usize::from(c) % 4,
            _ => 5 + usize::from(c) % (MAX_ORDER - 3),
        };
        let perhaps = (d % 4 == 0).then_some(usize::from(c) % 13);
        match kind {
            0..70 => Step::Alloc { cpu, order },
            70..84 => Step::TryAlloc { order: usize::from(c) % (MAX_ORDER + 2) },
            84..94 => Step::RetainBlock { which, order: perhaps },
            94..109 => Step::ReleaseBlock { cpu, which, order: perhaps },
            109..119 => Step::Split { which, order: perhaps },
            119..126 => Step::Join { which, order: perhaps },
            126..129 => Step::ReleaseUnlessLast { which },
            129..160 => Step::Free { cpu, which },
            160..170 => Step::FreeTwice { cpu, which },
            170..177 => Step::FreeWrongOrder { cpu, which, order: usize::from(c) % 20 },
            177..184 => Step::FreeInside { cpu, which, offset: u32::from(u16::from_le_bytes([c, d])) },
            184..191 => Step::FreeAny { cpu, number, order },
            191..198 => Step::ReleaseAny { cpu, number },
            198..212 => Step::Retain { which },
            212..232 => Step::Release { cpu, which },
            232..239 => Step::MarkAndBack { which },
            239..248 => Step::Bulk { cpu, count: which % 300, keep: usize::from(c % 10) },
            // Thousands of allocations are too many for Miri.
            248 if !cfg!(miri) => Step::Exhaust { cpu, order },
            _ => Step::Drain,
        }
    }
}
