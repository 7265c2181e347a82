//! A naive page allocator in the place of the crate's own: `cargo run -p frames --example bitmap` shows it
//! at work; `tests/model.rs` runs it against the model that [`frames::Frames`] is tested with.

mod bitmap;
mod bits;
mod blocks;

use bitmap::Bitmap;
use frames::{Layout, Pfn};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

/// The lock: any [`lock_api::RawMutex`] does.
struct Spin(AtomicBool);

// SAFETY: only who changed the flag from false to true holds the lock.
unsafe impl lock_api::RawMutex for Spin {
    #[allow(clippy::declare_interior_mutable_const)]
    const INIT: Spin = Spin(AtomicBool::new(false));
    type GuardMarker = lock_api::GuardNoSend;

    fn lock(&self) {
        while !self.try_lock() {}
    }

    fn try_lock(&self) -> bool {
        !self.0.swap(true, Ordering::Acquire)
    }

    unsafe fn unlock(&self) {
        self.0.store(false, Ordering::Release);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let layout = Layout {
        usable: &[Pfn::new(0x80000)..Pfn::new(0x81000)],
        reserved: &[Pfn::new(0x80000)..Pfn::new(0x80200)],
    };
    let metadata = vec![0; layout.metadata_bytes() / 8].leak();
    let frames = Bitmap::<Spin>::new(&layout, metadata, 1);
    let frames = frames.ok_or("too little metadata")?;
    let large = frames.alloc(0, 9)?;
    let page = frames.alloc(0, 0)?;
    frames.retain(page)?;
    print!("{}", frames.stats());
    println!("{page:?} is {}", frames.state(page));
    println!(
        "{}",
        frames.free(0, page, 0).expect_err("it has two references")
    );
    frames.release(0, page)?;
    frames.release(0, page)?;
    frames.free(0, large, 9)?;
    println!(
        "{} of {} frames are free",
        frames.free_count(),
        frames.total()
    );
    Ok(())
}
