//! Kernel objects of at most one page, and containers whose allocations can fail.
//!
//! [`Kmalloc`] serves 1 to 4096 bytes from single pages of [`frames`]: slabs of 23 sizes with all
//! records outside the slabs' pages, magazines of free objects for each CPU, empty slabs given
//! back. A wrong free is caught and named. [`KBox`], [`KArc`] and [`KVec`] are on the global
//! allocator, whichever that is; a kernel builds it from the two: [`size_for`] says which objects of
//! a `Layout` are for [`Kmalloc::alloc`], and the others are blocks of frames.
//!
//! ```
//! use frames::{Frames, Layout, Pfn};
//! use kmalloc::{DirectMap, Kmalloc};
//! # use core::sync::atomic::{AtomicBool, Ordering};
//! # use core::ptr::NonNull;
//! # struct Spin(AtomicBool);
//! # unsafe impl lock_api::RawMutex for Spin {
//! #     const INIT: Spin = Spin(AtomicBool::new(false));
//! #     type GuardMarker = lock_api::GuardNoSend;
//! #     fn lock(&self) { while !self.try_lock() {} }
//! #     fn try_lock(&self) -> bool { !self.0.swap(true, Ordering::Acquire) }
//! #     unsafe fn unlock(&self) { self.0.store(false, Ordering::Release) }
//! # }
//! # let bytes = std::alloc::Layout::from_size_align(64 * 4096, 4096)?;
//! # let ram = NonNull::new(unsafe { std::alloc::alloc_zeroed(bytes) }).unwrap();
//! // `ram` is 64 pages in a row; they are to be the frames from 0x80000 on.
//! let layout = Layout { usable: &[Pfn::new(0x80000)..Pfn::new(0x80040)], reserved: &[] };
//! let metadata = vec![0; layout.metadata_bytes() / 8].leak();
//! let frames: &'static Frames<Spin> =
//!     Box::leak(Box::new(Frames::new(&layout, metadata, 1).unwrap()));
//! // SAFETY: nobody else uses the memory, and it stays.
//! let pages = unsafe { DirectMap::new(frames, Pfn::new(0x80000), ram) };
//! let kmalloc: Kmalloc<Spin, _, 1> = Kmalloc::new(pages);
//!
//! let cpu = 0;
//! let object = kmalloc.alloc(cpu, 100).expect("there is memory");
//! // SAFETY: the object is not used any more.
//! assert_eq!(unsafe { kmalloc.free(cpu, object) }, Ok(()));
//! let error = unsafe { kmalloc.free(cpu, object) }.unwrap_err();
//! assert!(error.to_string().ends_with("bytes is free already"));
//! kmalloc.drain();
//! assert_eq!(frames.free_count(), 64);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

extern crate alloc;

mod class;
mod depot;
mod error;
mod guard;
mod karc;
mod kbox;
mod kmalloc;
mod kvec;
mod magazine;
mod pages;
mod pool;
mod stack;
mod stats;
mod supply;
mod unit;

pub use class::{CLASSES, size_for};
pub use error::{AllocError, Place, WrongFree};
pub use karc::KArc;
pub use kbox::KBox;
pub use kmalloc::Kmalloc;
pub use kvec::KVec;
pub use pages::{DirectMap, Pages};
pub use stats::{ClassStats, Stats};
