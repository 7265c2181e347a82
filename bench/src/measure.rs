//! Callgrind counts by the names of these functions: the inclusive cost of `counted_alloc` and
//! `counted_free` within `measured_section`. The loops of the traces are excluded.

use crate::frame::FrameAlloc;
use crate::object::ObjectAlloc;
use crate::report::Report;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether a measured section is running.
static MEASURING: AtomicBool = AtomicBool::new(false);
/// Calls in measured sections; callgrind's counts include others.
static ALLOCS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);

/// Runs the measured part of a trace.
#[inline(never)]
pub fn measured_section(trace: impl FnOnce()) {
    MEASURING.store(true, Ordering::Relaxed);
    trace();
    MEASURING.store(false, Ordering::Relaxed);
}

/// Reports the numbers of calls.
pub fn report_calls(report: &mut Report) {
    report.put("allocs", ALLOCS.load(Ordering::Relaxed) as f64);
    report.put("frees", FREES.load(Ordering::Relaxed) as f64);
}

#[inline]
fn count(calls: &AtomicU64) {
    if MEASURING.load(Ordering::Relaxed) {
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

#[inline(never)]
fn counted_alloc<A: FrameAlloc>(allocator: &A, cpu: usize, order: usize) -> A::Block {
    allocator.alloc(cpu, order)
}

#[inline(never)]
fn counted_free<A: FrameAlloc>(allocator: &A, cpu: usize, frame: usize, order: usize) -> A::Freed {
    allocator.free(cpu, frame, order)
}

/// Allocates a block, measured in a measured section.
#[inline]
pub fn alloc<A: FrameAlloc>(allocator: &A, cpu: usize, order: usize) -> Option<usize> {
    count(&ALLOCS);
    A::first(counted_alloc(allocator, black_box(cpu), black_box(order)))
}

/// Frees a block, measured likewise.
#[inline]
pub fn free<A: FrameAlloc>(allocator: &A, cpu: usize, frame: usize, order: usize) {
    count(&FREES);
    let freed = counted_free(
        allocator,
        black_box(cpu),
        black_box(frame),
        black_box(order),
    );
    assert!(A::is_freed(freed), "wrong free");
}

#[inline(never)]
fn counted_alloc_object<A: ObjectAlloc>(allocator: &A, cpu: usize, size: usize) -> *mut u8 {
    allocator.alloc(cpu, size)
}

#[inline(never)]
unsafe fn counted_free_object<A: ObjectAlloc>(
    allocator: &A,
    cpu: usize,
    object: *mut u8,
    size: usize,
) -> A::Freed {
    // SAFETY: as the caller promises.
    unsafe { allocator.free(cpu, object, size) }
}

/// An allocated object.
pub struct Object {
    /// Its address.
    pub start: *mut u8,
    /// Bytes asked for.
    pub size: usize,
}

/// Allocates an object, measured in a measured section.
///
/// # Panics
/// When out of memory.
#[inline]
pub fn alloc_object<A: ObjectAlloc>(allocator: &A, cpu: usize, size: usize) -> Object {
    count(&ALLOCS);
    let start = counted_alloc_object(allocator, black_box(cpu), black_box(size));
    assert!(!start.is_null(), "there is memory for {size} bytes");
    Object { start, size }
}

/// Frees an object, measured likewise.
#[inline]
pub fn free_object<A: ObjectAlloc>(allocator: &A, cpu: usize, object: Object) {
    let Object { start, size } = object;
    count(&FREES);
    // SAFETY: an `Object` is only made by `alloc_object` and is gone now. No trace has two
    // allocators.
    let freed = unsafe {
        counted_free_object(allocator, black_box(cpu), black_box(start), black_box(size))
    };
    assert!(A::is_freed(freed), "wrong free");
}
