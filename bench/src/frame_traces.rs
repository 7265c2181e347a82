//! Traces for frame allocators.

use crate::frame::{CPU, FRAMES, FrameAlloc, NO_CACHE};
use crate::measure::{alloc, free, measured_section};
use crate::memory::Numbers;
use crate::report::Report;

/// Runs a trace by its name.
pub fn run<A: FrameAlloc>(trace: &str, allocator: &A, report: &mut Report) -> bool {
    match trace {
        "warm" => {
            // Keeps its buddies from merging.
            let _held = alloc(allocator, CPU, 0);
            pairs(allocator, CPU);
        }
        "whole" => pairs(allocator, NO_CACHE),
        "fill" => fill(allocator, report),
        "mixed" => mixed(allocator, (order, 5.5), report),
        "even" => mixed(allocator, (|numbers| numbers.below(10), 102.3), report),
        "large" => large(allocator, report),
        _ => return false,
    }
    true
}

/// Allocates and frees one frame repeatedly.
fn pairs<A: FrameAlloc>(allocator: &A, cpu: usize) {
    let pair = || {
        let frame = alloc(allocator, cpu, 0).expect("all is free");
        free(allocator, cpu, frame, 0);
    };
    (0..100).for_each(|_| pair());
    measured_section(|| (0..1_000).for_each(|_| pair()));
}

/// Allocates all frames, then frees them in random order. Reports the peak of metadata.
fn fill<A: FrameAlloc>(allocator: &A, report: &mut Report) {
    let mut frames = Vec::with_capacity(FRAMES);
    let mut order = Numbers::new(1);
    measured_section(|| {
        frames.extend((0..FRAMES).map_while(|_| alloc(allocator, CPU, 0)));
    });
    assert_eq!(frames.len(), FRAMES, "allocated frames");
    order.shuffle(&mut frames);
    let mut most = allocator.metadata();
    for piece in frames.chunks(1024) {
        measured_section(|| {
            piece
                .iter()
                .for_each(|&frame| free(allocator, CPU, frame, 0));
        });
        most = most.max(allocator.metadata());
    }
    if let Some(bytes) = most {
        report.put("metadata", bytes as f64 / FRAMES as f64);
    }
}

/// Allocates and frees blocks of random orders, with about half of memory in use. `mean` is the
/// average number of frames of a block.
fn mixed<A: FrameAlloc>(
    allocator: &A,
    (order, mean): (fn(&mut Numbers) -> usize, f64),
    report: &mut Report,
) {
    let mut numbers = Numbers::new(2);
    let mut held: Vec<(usize, usize)> = Vec::with_capacity(FRAMES);
    let most = (FRAMES as f64 / mean) as usize;
    let mut failed = 0;
    let mut step = || {
        if numbers.below(most) >= held.len() {
            let order = order(&mut numbers);
            match alloc(allocator, CPU, order) {
                Some(frame) => held.push((frame, order)),
                None => failed += 1,
            }
        } else {
            let (frame, order) = held.swap_remove(numbers.below(held.len()));
            free(allocator, CPU, frame, order);
        }
    };
    (0..2 * most).for_each(|_| step());
    measured_section(|| (0..20_000).for_each(|_| step()));
    report.put("failed", f64::from(failed));
}

/// The share of free memory in 2 MiB blocks after 400,000 random operations on single frames, with
/// about half in use.
fn large<A: FrameAlloc>(allocator: &A, report: &mut Report) {
    let mut numbers = Numbers::new(3);
    let mut held = Vec::with_capacity(FRAMES);
    for _ in 0..400_000 {
        let room = FRAMES - held.len();
        if numbers.below(FRAMES) < room {
            held.extend(alloc(allocator, CPU, 0));
        } else {
            let frame = held.swap_remove(numbers.below(held.len()));
            free(allocator, CPU, frame, 0);
        }
    }
    allocator.drain();
    let blocks = std::iter::from_fn(|| alloc(allocator, NO_CACHE, 9)).count();
    let left = FRAMES - held.len();
    report.put("large", 100.0 * (blocks * 512) as f64 / left as f64);
}

/// Orders 0 to 9, each half as often as the one below.
fn order(numbers: &mut Numbers) -> usize {
    (numbers.below(1 << 20) | 1 << 9).trailing_zeros() as usize
}
