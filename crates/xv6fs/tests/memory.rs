//! Mount reports a lack of memory, and nothing allocates after mount.

use abi::FileType::{Directory, File};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use xv6fs::{Block, BlockDevice, DeviceError, Error, FormatOptions, Fs, ROOT};

thread_local! {
    /// Allocations that this thread may still make.
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
}

struct Limited;

// SAFETY: every block comes from and goes back to the system's allocator, with the layout given;
// the default `realloc` and `alloc_zeroed` go through these two.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let left = LEFT.get();
        if left == 0 {
            return std::ptr::null_mut();
        }
        LEFT.set(left.saturating_sub(1));
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Limited = Limited;

/// Runs `body` with at most `limit` allocations; returns their number too.
fn with_allocations<T>(limit: usize, body: impl FnOnce() -> T) -> (T, usize) {
    LEFT.set(limit);
    let result = body();
    let made = limit - LEFT.replace(usize::MAX);
    (result, made)
}

/// A disk that does not allocate.
struct Plain(Vec<Block>);

impl BlockDevice for Plain {
    fn blocks(&self) -> u32 {
        self.0.len() as u32
    }
    fn read(&mut self, block: u32, buffer: &mut Block) -> Result<(), DeviceError> {
        *buffer = *self.0.get(block as usize).ok_or(DeviceError)?;
        Ok(())
    }
    fn write(&mut self, block: u32, buffer: &Block) -> Result<(), DeviceError> {
        *self.0.get_mut(block as usize).ok_or(DeviceError)? = *buffer;
        Ok(())
    }
    fn flush(&mut self) -> Result<(), DeviceError> {
        Ok(())
    }
}

fn disk() -> Plain {
    let fs = Fs::format(Plain(vec![[0; 1024]; 2000]), &FormatOptions::default());
    fs.expect("format").unmount().expect("unmount")
}

#[test]
fn mounting_without_memory_is_an_error() {
    let mut disk = disk();
    let (_, needed) = with_allocations(1000, || Fs::mount(&mut disk, 50).map(drop));
    assert!(needed >= 50, "a block each: {needed}");
    for limit in 0..needed {
        let (result, _) = with_allocations(limit, || Fs::mount(&mut disk, 50).map(drop));
        assert_eq!(
            result,
            Err(Error::NoMemory),
            "{limit} of {needed} allocations"
        );
    }
    let (result, made) = with_allocations(needed, || Fs::mount(&mut disk, 50).map(drop));
    assert_eq!((result, made), (Ok(()), needed));
}

#[test]
fn a_mounted_file_system_allocates_nothing() {
    let mut fs = Fs::mount(disk(), 50).expect("mount");
    let data = vec![7; 100_000];
    let mut buffer = vec![0; 100_000];
    let (result, made) = with_allocations(0, || {
        let d = fs.create(ROOT, b"d", Directory, 0, 0)?;
        let f = fs.create(d, b"f", File, 0, 0)?;
        let mut done = 0;
        while done < data.len() {
            done += fs.write(f, done as u64, &data[done..])?;
        }
        fs.link(f, ROOT, b"g")?;
        let count = fs.read(f, 0, &mut buffer)?;
        fs.resolve(ROOT, b"/d/f")?;
        fs.unlink(d, b"f")?;
        fs.truncate(f)?;
        fs.unlink(ROOT, b"g")?;
        fs.free(f)?;
        fs.free_blocks()?;
        fs.free_inodes()?;
        assert_eq!(fs.unlink(ROOT, b"x"), Err(Error::NotFound));
        Ok::<_, Error>(count)
    });
    assert_eq!((result, made), (Ok(data.len()), 0));
    assert!(buffer == data, "read data differs from written data");
}
