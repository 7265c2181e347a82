//! Physical page frames: a buddy allocator that keeps all its records outside the frames.
//!
//! - Orders 0 to 10 over any set of RAM ranges; the shared part is bit masks and trees of bits, so a
//!   free frame is never touched and there is no unsafe code.
//! - A stack of free frames for each CPU in front of it.
//! - One tag byte a frame: a wrong free is caught and named, a free needs no search.
//! - A count a frame, for frames that several address spaces share, or a word for the object
//!   allocator that marked the frame as its own. A little over 5 bytes of records a frame in all.
//! - Caches that register as [`Shrinker`] are asked before an allocation fails.
//!
//! ```
//! use frames::{Frames, Layout, Pfn};
//! # use core::sync::atomic::{AtomicBool, Ordering};
//! # struct Spin(AtomicBool);
//! # unsafe impl lock_api::RawMutex for Spin {
//! #     const INIT: Spin = Spin(AtomicBool::new(false));
//! #     type GuardMarker = lock_api::GuardNoSend;
//! #     fn lock(&self) { while !self.try_lock() {} }
//! #     fn try_lock(&self) -> bool { !self.0.swap(true, Ordering::Acquire) }
//! #     unsafe fn unlock(&self) { self.0.store(false, Ordering::Release) }
//! # }
//! // 128 MiB at 2 GiB, of which the first 2 MiB are taken. A kernel puts the metadata into the
//! // memory itself, at `layout.place(layout.metadata_frames())`, and reserves that too.
//! let layout = Layout {
//!     usable: &[Pfn::new(0x80000)..Pfn::new(0x88000)],
//!     reserved: &[Pfn::new(0x80000)..Pfn::new(0x80200)],
//! };
//! let metadata = vec![0; layout.metadata_bytes() / 8].leak();
//! let frames = Frames::<Spin>::new(&layout, metadata, 1).unwrap();
//! assert_eq!(frames.free_count(), 0x7e00);
//!
//! let cpu = 0;
//! let page = frames.alloc(cpu, 0)?;
//! frames.retain(page)?; // a second address space has it too
//! assert_eq!(frames.release(cpu, page), Ok(false));
//! assert_eq!(frames.release(cpu, page), Ok(true));
//! let error = frames.release(cpu, page).unwrap_err();
//! assert_eq!(error.to_string(), "wrong free of frame 0x80200000: it is free already");
//!
//! let large = frames.alloc(cpu, 9)?; // 2 MiB
//! frames.free(cpu, large, 9)?;
//! assert_eq!(frames.free_count(), frames.total());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]
// The lock of a test needs it.
#![cfg_attr(not(test), forbid(unsafe_code))]

mod atomic;
mod bins;
mod buddy;
mod bulk;
mod cache;
mod counts;
mod error;
mod frames;
#[cfg(all(test, not(miri)))]
mod interleaved;
mod large;
mod layout;
mod level;
mod pfn;
mod pressure;
mod share;
mod stats;
mod tag;
mod word;

pub use error::{OutOfMemory, WrongFree};
pub use frames::{Frames, MAX_CPUS};
pub use layout::Layout;
pub use pfn::{FRAME_SIZE, MAX_ORDER, Pfn, order_for};
pub use pressure::{MAX_SHRINKERS, Shrinker};
pub use stats::Stats;
pub use tag::State;
