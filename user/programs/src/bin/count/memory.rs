//! Heap and mappings.

use crate::meter::Meter;
use crate::processes::fork_and_wait;
use crate::{Operation, operations};
use abi::{MMAP_BASE, MapFlags, PAGE_SIZE, Prot};
use ulib::io::Result;
use ulib::mem;
use ulib::vec::Vec;

pub const OPERATIONS: &[Operation] = operations! {
    "sbrk-page", 500, "sbrk of a page, and a byte written there" => sbrk_page;
    "touch-4m", 20, "a byte written to each new page of 4 MiB of heap" => touch_heap;
    "return-4m", 20, "sbrk that frees 4 MiB, all touched" => return_heap;
    "mmap", 500, "mmap of a page and munmap, with 10 regions" => |meter| mmap(meter, 10);
    "mmap-10000", 500, "the same with 10,000 regions" => |meter| mmap(meter, 10_000);
    "touch-16m", 5, "a byte written to each new page of 16 MiB: large pages" => |meter| touch(meter, Area::new_large);
    "touch-16m-4k", 5, "the same with pages of 4 KiB" => |meter| touch(meter, Area::new_small);
    "write-16m", 5, "a byte written to each page after a forked child exited: large pages" => |meter| write(meter, Area::large);
    "write-16m-4k", 5, "the same with pages of 4 KiB" => |meter| write(meter, Area::small);
    "munmap-16m", 20, "munmap of 16 MiB, all touched: large pages" => |meter| unmap(meter, Area::large);
    "munmap-16m-4k", 20, "the same with pages of 4 KiB" => |meter| unmap(meter, Area::small);
};

/// Bytes of a large page.
const LARGE: usize = 2 << 20;
/// Large pages, or as many bytes in small ones.
const PIECES: usize = 8;
/// An address far from other mappings, a multiple of `LARGE`.
const FAR: usize = MMAP_BASE as usize + (1 << 33);
/// `sbrk_page` frees its pages after this many.
const HEAP_PAGES: usize = 512;

/// Memory known by address only.
#[derive(Clone, Copy)]
pub struct Area {
    base: usize,
    /// Distance between pieces.
    step: usize,
    /// Bytes of a piece.
    size: usize,
    pieces: usize,
}

impl Area {
    /// An empty area.
    pub fn none() -> Result<Area> {
        Ok(Area {
            base: 0,
            step: 0,
            size: 0,
            pieces: 0,
        })
    }

    /// New heap.
    fn new_heap(size: usize) -> Result<Area> {
        let base = mem::grow(size)? as usize;
        Ok(Area {
            base,
            step: size,
            size,
            pieces: 1,
        })
    }

    /// Heap, all touched.
    pub fn heap(size: usize) -> Result<Area> {
        Area::new_heap(size).map(Area::touched)
    }

    /// 16 MiB that become large pages when they are touched.
    fn new_large() -> Result<Area> {
        Area::map(FAR, LARGE)
    }

    /// 16 MiB that stay in small pages: misaligned mappings of 2 MiB, with holes between them so
    /// that they do not merge.
    fn new_small() -> Result<Area> {
        Area::map(FAR + PAGE_SIZE, LARGE + PAGE_SIZE)
    }

    /// 16 MiB in large pages.
    pub fn large() -> Result<Area> {
        Area::new_large().map(Area::touched)
    }

    /// 16 MiB in pages of 4 KiB.
    pub fn small() -> Result<Area> {
        Area::new_small().map(Area::touched)
    }

    fn map(base: usize, step: usize) -> Result<Area> {
        for piece in 0..PIECES {
            map_at(base + piece * step, LARGE)?;
        }
        Ok(Area {
            base,
            step,
            size: LARGE,
            pieces: PIECES,
        })
    }

    fn unmap(self) -> Result<()> {
        let length = self.step * (self.pieces - 1) + self.size;
        // SAFETY: nobody has a reference to this memory.
        unsafe { mem::munmap(self.base as *mut u8, length) }
    }

    pub fn touch(&self) {
        for piece in 0..self.pieces {
            let start = self.base + piece * self.step;
            for page in (start..start + self.size).step_by(PAGE_SIZE) {
                // SAFETY: the area is mapped, and nobody has a reference to it.
                unsafe { (page as *mut u8).write_volatile(1) };
            }
        }
    }

    fn touched(self) -> Area {
        self.touch();
        self
    }
}

/// Maps private memory at an unused address.
fn map_at(address: usize, length: usize) -> Result<()> {
    let flags = MapFlags::PRIVATE | MapFlags::ANONYMOUS | MapFlags::FIXED_NOREPLACE;
    // SAFETY: it replaces nothing.
    unsafe { mem::mmap(address, length, Prot::READ | Prot::WRITE, flags, -1, 0) }.map(drop)
}

/// Lowers the break.
fn shrink(bytes: usize) -> Result<()> {
    // SAFETY: only heap that was asked for here lies above the new break: the allocator took none
    // meanwhile, and nobody has a reference to it.
    unsafe { mem::sbrk(-(bytes as isize)) }.map(drop)
}

fn sbrk_page(meter: &mut Meter) -> Result<()> {
    let mut pages = 0;
    meter.rounds(|meter| {
        if pages == HEAP_PAGES {
            shrink(pages * PAGE_SIZE)?;
            pages = 0;
        }
        pages += 1;
        meter.once(|| Area::heap(PAGE_SIZE).map(drop))
    })
}

fn touch_heap(meter: &mut Meter) -> Result<()> {
    meter.rounds(|meter| {
        let heap = Area::new_heap(4 << 20)?;
        meter.once(|| {
            heap.touch();
            Ok(())
        })?;
        shrink(heap.size)
    })
}

fn return_heap(meter: &mut Meter) -> Result<()> {
    meter.rounds(|meter| {
        let heap = Area::heap(4 << 20)?;
        meter.once(|| shrink(heap.size))
    })
}

fn touch(meter: &mut Meter, area: fn() -> Result<Area>) -> Result<()> {
    meter.rounds(|meter| {
        let area = area()?;
        meter.once(|| {
            area.touch();
            Ok(())
        })?;
        area.unmap()
    })
}

fn write(meter: &mut Meter, area: fn() -> Result<Area>) -> Result<()> {
    let area = area()?;
    meter.rounds(|meter| {
        fork_and_wait()?;
        meter.once(|| {
            area.touch();
            Ok(())
        })
    })
}

fn unmap(meter: &mut Meter, area: fn() -> Result<Area>) -> Result<()> {
    meter.rounds(|meter| {
        let area = area()?;
        meter.once(|| area.unmap())
    })
}

/// Maps and unmaps a page with `regions` regions in the process, a few of them the program's own.
fn mmap(meter: &mut Meter, regions: usize) -> Result<()> {
    let own = ulib::inspect::regions(ulib::process::id())?.count();
    let more = (own..regions).map(|i| map_at(FAR + 2 * i * PAGE_SIZE, PAGE_SIZE));
    more.collect::<Result<Vec<()>>>()?;
    meter.each(|| mem::Mapping::anonymous(PAGE_SIZE))
}
