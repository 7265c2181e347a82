//! Random operations.

use crate::mapping::{FIXED, PRIVATE};
use crate::mmu::HARTS;
use crate::random::Random;
use crate::world::{PAGE, RW};
use abi::{Advice, MAXVA, MMAP_BASE, MapFlags, Prot, USER_TOP};
use vm::Access;

/// What a process can do to its space, and the kernel with it.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub(crate) enum Op {
    Mmap { hint: u64, len: u64, prot: Prot, flags: MapFlags },
    Munmap { start: u64, len: u64 },
    Mprotect { start: u64, len: u64, prot: Prot },
    Madvise { start: u64, len: u64, advice: Advice },
    Mremap { start: u64, old: u64, new: u64, may_move: bool },
    Mincore { start: u64, len: u64 },
    Sbrk { delta: i64 },
    Fork,
    Exec,
    Exit,
    Access { addr: u64, access: Access },
    /// The page cache drops its frames.
    DropCache,
}

/// What fails during a step, if it comes to it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failing {
    Nothing,
    Frame(usize),
    Record(usize),
}

/// One step: on which hart, which process, what, and what fails.
pub(crate) type Step = (usize, usize, Op, Failing);

pub(crate) fn step(random: &mut Random) -> Step {
    let failing = match random.below(10) {
        0 => Failing::Frame(random.below(8) as usize),
        1 => Failing::Record(random.below(4) as usize),
        _ => Failing::Nothing,
    };
    let hart = random.below(HARTS as u64) as usize;
    (hart, random.below(8) as usize, op(random), failing)
}

#[rustfmt::skip]
fn op(random: &mut Random) -> Op {
    match random.below(48) {
        0..6 => mmap(random),
        6 => if random.once_in(8) { large(random) } else { mmap(random) },
        7..11 => Op::Munmap { start: start(random), len: len(random) },
        11..16 => Op::Mprotect { start: start(random), len: len(random), prot: prot(random) },
        16..19 => {
            let advice = random.one_of(&[Advice::DontNeed, Advice::Free, Advice::WillNeed]);
            Op::Madvise { start: start(random), len: len(random), advice }
        }
        19..23 => {
            let (start, may_move) = (start(random), !random.once_in(3));
            Op::Mremap { start, old: len(random), new: len(random), may_move }
        }
        23 => Op::Mincore { start: start(random), len: len(random) },
        24..27 => Op::Sbrk { delta: delta(random) },
        27 | 28 => Op::Fork,
        29 => match random.below(3) { 0 => Op::Exec, 1 => Op::Exit, _ => Op::DropCache },
        _ => {
            let access = match random.below(11) {
                0..4 => Access::Read,
                4..10 => Access::Write,
                _ => Access::Execute,
            };
            Op::Access { addr: addr(random), access }
        }
    }
}

#[rustfmt::skip]
fn mmap(random: &mut Random) -> Op {
    let hint = match random.below(10) { 0..3 => 0, 3..9 => page(random), _ => addr(random) };
    Op::Mmap { hint, len: len(random), prot: prot(random), flags: flags(random) }
}

/// Something that fills 2 MiB or two, where that can be one large page.
fn large(random: &mut Random) -> Op {
    let start = MMAP_BASE + random.below(2) * (2 << 20);
    let len = (1 + random.below(2)) * (2 << 20) + random.below(3) * PAGE;
    if random.once_in(3) {
        return Op::Madvise {
            start,
            len,
            advice: Advice::WillNeed,
        };
    }
    Op::Mmap {
        hint: start,
        len,
        prot: RW,
        flags: FIXED | MapFlags::POPULATE,
    }
}

/// Pages that are worth a try: where the program, the heap and the mappings are, borders of tables,
/// and the edges.
fn page(random: &mut Random) -> u64 {
    match random.below(20) {
        0..8 => MMAP_BASE + random.below(24) * PAGE,
        8..12 => random.below(24) * PAGE,
        12..15 => MMAP_BASE + (2 << 20) - 8 * PAGE + random.below(16) * PAGE,
        15..17 => MMAP_BASE + (1 << 30) - 4 * PAGE + random.below(8) * PAGE,
        17..19 => USER_TOP - 4 * PAGE + random.below(6) * PAGE,
        _ => random.one_of(&[MAXVA, MAXVA - PAGE, 1 << 39, !4095, 1 << 63]),
    }
}

fn addr(random: &mut Random) -> u64 {
    page(random) + random.one_of(&[0, 8, PAGE - 8])
}

fn start(random: &mut Random) -> u64 {
    if random.once_in(20) {
        addr(random)
    } else {
        page(random)
    }
}

fn len(random: &mut Random) -> u64 {
    let absurd = [0, u64::MAX, USER_TOP, USER_TOP - MMAP_BASE, 1 << 63];
    match random.below(48) {
        0..36 => (1 + random.below(11)) * PAGE,
        36..45 => 1 + random.below(4 * PAGE),
        45 => (2 << 20) + 5 * PAGE,
        _ => random.one_of(&absurd),
    }
}

fn delta(random: &mut Random) -> i64 {
    let absurd = [i64::MIN, i64::MAX, 1 << 38, -(1 << 37), 3 << 20];
    match random.below(20) {
        0..9 => random.below(11 * PAGE) as i64 - 3 * PAGE as i64,
        9..19 => random.below(400) as i64 - 200,
        _ => random.one_of(&absurd),
    }
}

fn prot(random: &mut Random) -> Prot {
    if random.below(3) < 2 {
        RW
    } else {
        Prot::from_bits_truncate(random.below(8) as u32)
    }
}

fn flags(random: &mut Random) -> MapFlags {
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let kind = match random.below(20) {
        0..6 => PRIVATE,
        6..9 => return MapFlags::empty(),
        9..13 => FIXED,
        13..16 => shared,
        16..18 => shared | MapFlags::FIXED,
        18 => PRIVATE | MapFlags::FIXED_NOREPLACE,
        // Of all kinds, most of which make no sense.
        _ => MapFlags::from_bits_truncate(random.below(0x40) as u32),
    };
    match random.below(10) {
        0 | 1 => kind | MapFlags::POPULATE,
        2 => kind | MapFlags::NORESERVE,
        3 => kind | MapFlags::FIXED_NOREPLACE,
        4 => kind | MapFlags::LOW,
        _ => kind,
    }
}
