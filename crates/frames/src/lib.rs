//! Physical page frames.
#![no_std]
#![forbid(unsafe_code)]

mod pfn;

pub use pfn::{FRAME_SIZE, MAX_ORDER, Pfn};
