//! kmalloc, and the kernel's global allocator on top of it and of the frame allocator.

use super::ram::{address_of, cpu, frame_of, frames};
use crate::sync::{Once, RawSpin, rank};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use frames::{FRAME_SIZE, Pfn};
use kmalloc::Kmalloc;
