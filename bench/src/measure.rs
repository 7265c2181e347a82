//! What callgrind counts, by the names of these functions: what `counted_alloc` and `counted_free`
//! cost, calls within included, while `measured_section` runs. The loops of the traces are in neither.

use crate::frame::FrameAlloc;
use crate::object::ObjectAlloc;
use std::hint::black_box;

/// Runs a part of a trace that counts.
#[inline(never)]
pub fn measured_section(trace: impl FnOnce()) {
    trace();
    // So that the call is no jump, which would end the section before it starts.
    black_box(());
}

#[inline(never)]
fn counted_alloc<A: FrameAlloc>(allocator: &A, cpu: usize, order: usize) -> Option<usize> {
    allocator.alloc(cpu, order)
}

#[inline(never)]
fn counted_free<A: FrameAlloc>(allocator: &A, cpu: usize, frame: usize, order: usize) {
    allocator.free(cpu, frame, order);
}

/// Allocates a block; its cost is counted within a measured section.
#[inline]
pub fn alloc<A: FrameAlloc>(allocator: &A, cpu: usize, order: usize) -> Option<usize> {
    counted_alloc(allocator, black_box(cpu), black_box(order))
}

/// Frees a block, counted likewise.
#[inline]
pub fn free<A: FrameAlloc>(allocator: &A, cpu: usize, frame: usize, order: usize) {
    counted_free(
        allocator,
        black_box(cpu),
        black_box(frame),
        black_box(order),
    );
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
) {
    // SAFETY: as the caller promises.
    unsafe { allocator.free(cpu, object, size) };
}

/// An object on loan from an allocator.
pub struct Object {
    /// Where it is.
    pub start: *mut u8,
    /// Bytes asked for.
    pub size: usize,
}

/// Allocates an object; its cost is counted within a measured section.
///
/// # Panics
/// When there is no memory.
#[inline]
pub fn alloc_object<A: ObjectAlloc>(allocator: &A, cpu: usize, size: usize) -> Object {
    let start = counted_alloc_object(allocator, black_box(cpu), black_box(size));
    assert!(!start.is_null(), "there is memory for {size} bytes");
    Object { start, size }
}

/// Frees an object, counted likewise.
#[inline]
pub fn free_object<A: ObjectAlloc>(allocator: &A, cpu: usize, object: Object) {
    let Object { start, size } = object;
    // SAFETY: an `Object` is only made by `alloc_object` and is gone now. No trace has two
    // allocators.
    unsafe { counted_free_object(allocator, black_box(cpu), black_box(start), black_box(size)) };
}
