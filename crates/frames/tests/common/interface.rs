//! What the model asks of an allocator of page frames, and so what one needs to take the place of
//! [`frames::Frames`] in tests; `interface!(implement Type)` hands it on to the functions of `Type`.
#![allow(dead_code, unreachable_pub)]

use crate::common::Spin;
use frames::{Frames, Layout, MAX_ORDER, Marks, OutOfMemory, Pfn, State, Stats, WrongFree};

macro_rules! interface {
    ($then:ident $($type:ty)?) => { $then! {
        [$($type)?]
        alloc(cpu: usize, order: usize) -> Result<Pfn, OutOfMemory>;
        free(cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree>;
        retain(frame: Pfn) -> Result<(), WrongFree>;
        release(cpu: usize, frame: Pfn) -> Result<bool, WrongFree>;
        release_unless_last(frame: Pfn) -> Result<bool, WrongFree>;
        refs(frame: Pfn) -> u32;
        state(frame: Pfn) -> State;
        try_alloc(order: usize) -> Option<Pfn>;
        retain_block(frame: Pfn, order: usize) -> Result<(), WrongFree>;
        release_block(cpu: usize, frame: Pfn, order: usize) -> Result<(), WrongFree>;
        is_block_unique(frame: Pfn, order: usize) -> bool;
        split(frame: Pfn, order: usize) -> Result<(), WrongFree>;
        join(frame: Pfn, order: usize) -> Result<bool, WrongFree>;
        alloc_bulk(cpu: usize, out: &mut [Pfn]) -> Result<(), OutOfMemory>;
        free_bulk(frames: &[Pfn]) -> Result<(), WrongFree>;
        drain_caches() -> usize;
        total() -> usize;
        free_count() -> usize;
        free_blocks() -> [usize; MAX_ORDER + 1];
        compound_blocks() -> usize;
        stats() -> Stats;
    } };
}

macro_rules! declare {
    ([] $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// An allocator of page frames; the functions do what those of [`Frames`] do.
        pub trait Allocator: Marks + Sized {
            fn new(layout: &Layout, metadata: &'static mut [u64], cpus: usize) -> Option<Self>;
            $(fn $name(&self, $($argument: $type),*) -> $result;)*
        }
    };
}

macro_rules! implement {
    ([$own:ty] $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl $crate::interface::Allocator for $own {
            fn new(layout: &Layout, metadata: &'static mut [u64], cpus: usize) -> Option<Self> {
                <$own>::new(layout, metadata, cpus)
            }

            $(fn $name(&self, $($argument: $type),*) -> $result {
                <$own>::$name(self, $($argument),*)
            })*
        }
    };
}

interface!(declare);
interface!(implement Frames<Spin>);
