//! Steps on an allocator and on a plain model of it: which objects are in use. Steps come out of a few
//! bytes each, from `proptest` or from a fuzzer. The memory is real, and each object is filled when
//! it comes and checked when it goes.

use crate::common::{TestFrames, TestKmalloc, fill, free, usable_size, verify, with};
use kmalloc::Reason;
use std::collections::BTreeMap;
use std::ptr::NonNull;

/// CPU numbers that are used: one more than there are.
const CPUS: u8 = 3;

/// Bytes that make a [`Step`].
pub const STEP_BYTES: usize = 6;

/// What is done in one step. `which` picks an object in use.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub enum Step {
    Alloc { cpu: usize, size: usize },
    Several { cpu: usize, size: usize, count: usize },
    Free { cpu: usize, which: usize },
    FreeAgain { cpu: usize, which: usize },
    FreeInside { cpu: usize, which: usize, offset: usize },
    /// A pointer to any byte of the memory, or beside it, that is no object in use.
    FreeWrong { cpu: usize, offset: usize },
    /// Until there is no memory; then half of it back.
    Exhaust { cpu: usize, size: usize },
    Drain,
}

impl Step {
    /// The step that some bytes stand for; every one stands for one.
    #[rustfmt::skip]
    pub fn decode([kind, cpu, a, b, c, d]: [u8; STEP_BYTES]) -> Step {
        let cpu = usize::from(cpu % CPUS);
        let number = usize::from(u16::from_le_bytes([a, b]));
        let size = match c {
            0..100 => 1 + number % 300,
            100..200 => 1 + number % 4096,
            200..225 => 1 << (number % 13),
            225..250 => 90 * (number % 23) + 1,
            250..253 => 4096 + number,
            253 => usize::MAX,
            _ => 0,
        };
        let (which, extra) = (number, usize::from(u16::from_le_bytes([c, d])));
        match kind {
            0..80 => Step::Alloc { cpu, size },
            80..92 => Step::Several { cpu, size: size % 600, count: 1 + usize::from(d) % 100 },
            92..212 => Step::Free { cpu, which },
            212..230 => Step::FreeAgain { cpu, which },
            230..240 => Step::FreeInside { cpu, which, offset: 1 + extra % 4095 },
            // Many of those that could be objects.
            240..248 => Step::FreeWrong { cpu, offset: number << (extra % 7) },
            // Thousands of allocations are too many for Miri.
            248..250 if !cfg!(miri) => Step::Exhaust { cpu, size },
            _ => Step::Drain,
        }
    }
}

/// Does the steps on an allocator over `pages` pages, checks it after each, gives everything back and
/// checks that it is as it was. With `shrinker`, memory pressure asks the allocator to give back.
pub fn run(pages: u32, shrinker: bool, steps: impl IntoIterator<Item = Step>) {
    with(pages, |kmalloc, frames, ram| {
        if shrinker {
            assert!(frames.register_shrinker(kmalloc));
        }
        let initial = frames.free_blocks();
        let mut model = Model {
            kmalloc,
            frames,
            ram,
            live: BTreeMap::new(),
            gone: None,
        };
        for step in steps {
            model.run(&step);
            model.check();
        }
        while !model.live.is_empty() {
            model.free(0, 0x8000);
        }
        model.check();
        kmalloc.drain();
        assert_eq!(kmalloc.stats().pages(), 0, "{}", kmalloc.stats());
        frames.drain_caches();
        assert_eq!(frames.free_blocks(), initial, "everything given back");
        // And all of it can be had again.
        while model.alloc(1, 4096) {}
        assert_eq!(model.live.len(), pages as usize, "objects of a page");
        while !model.live.is_empty() {
            model.free(0, 0);
        }
        model.check();
    });
}

struct Model {
    kmalloc: &'static TestKmalloc,
    frames: &'static TestFrames,
    /// Where the memory is.
    ram: NonNull<u8>,
    /// Address of each object in use, with the size that was asked and the pointer.
    live: BTreeMap<usize, (usize, NonNull<u8>)>,
    /// The object that was freed last.
    gone: Option<NonNull<u8>>,
}

impl Model {
    /// Whether there was memory.
    fn alloc(&mut self, cpu: usize, size: usize) -> bool {
        let Some(object) = self.kmalloc.alloc(cpu, size) else {
            self.failed(size);
            return false;
        };
        let address = object.addr().get();
        assert!((1..=4096).contains(&size), "an object for {size} bytes");
        let align = if size.is_power_of_two() {
            size.max(16)
        } else {
            16
        };
        assert_eq!(address % align, 0, "{object:?} for {size} bytes");
        let usable = usable_size(self.kmalloc, object).expect("an object");
        assert!(usable >= size, "{usable} bytes for {size}");
        if let Some((&before, &(_, other))) = self.live.range(..address + usable).next_back() {
            let end = before + usable_size(self.kmalloc, other).expect("an object");
            assert!(end <= address, "{object:?} overlaps {other:?}");
        }
        fill(object, size);
        self.live.insert(address, (size, object));
        self.gone = None;
        true
    }

    fn several(&mut self, cpu: usize, size: usize, count: usize) {
        for _ in 0..count {
            self.alloc(cpu, size);
        }
    }

    fn exhaust(&mut self, cpu: usize, size: usize) {
        while self.alloc(cpu, size) {}
        let half: Vec<usize> = self.live.keys().copied().step_by(2).collect();
        half.into_iter()
            .for_each(|address| self.free_at(cpu, address));
    }

    /// An allocation may fail only if there is nothing left: neither an object of its class nor
    /// the two pages that a slab and its record may need.
    fn failed(&self, size: usize) {
        if (1..=4096).contains(&size) {
            let free = self.frames.free_count();
            assert!(free <= 1, "{size} bytes failed with {free} pages free");
            let stats = self.kmalloc.stats();
            // What stands behind an object with `debug` makes another class's of it.
            let class = stats.classes.iter().find(|class| class.size >= size);
            if let Some(class) = class.filter(|_| !cfg!(feature = "debug")) {
                assert_eq!(
                    class.free + class.cached,
                    0,
                    "free objects of {} bytes",
                    class.size
                );
            }
        }
    }

    fn pick(&self, which: usize) -> Option<(usize, (usize, NonNull<u8>))> {
        // By a place in memory, since counting through all of them takes long.
        let bytes = self.frames.total() * 4096;
        let place = self.ram.addr().get() + which * bytes / 0x10000 % bytes;
        let behind = self.live.range(place..).next();
        let pair = behind.or_else(|| self.live.first_key_value())?;
        Some((*pair.0, *pair.1))
    }

    fn free(&mut self, cpu: usize, which: usize) {
        if let Some((address, _)) = self.pick(which) {
            self.free_at(cpu, address);
        }
    }

    fn free_at(&mut self, cpu: usize, address: usize) {
        let Some((size, object)) = self.live.remove(&address) else {
            return;
        };
        verify(object, size);
        assert_eq!(free(self.kmalloc, cpu, object), Ok(()));
        self.gone = Some(object);
    }

    fn free_again(&mut self, cpu: usize) {
        let Some(object) = self.gone else { return };
        let error = free(self.kmalloc, cpu, object).expect_err("it was freed before");
        assert_eq!(error.address, object.addr().get());
        assert!(
            matches!(error.reason, Reason::Free { .. } | Reason::Foreign),
            "{error}"
        );
    }

    fn free_inside(&self, cpu: usize, which: usize, offset: usize) {
        let Some((address, (_, object))) = self.pick(which) else {
            return;
        };
        let usable = usable_size(self.kmalloc, object).expect("an object");
        let offset = offset % usable;
        if offset != 0 {
            let inner = object.map_addr(|a| a.saturating_add(offset));
            let error = free(self.kmalloc, cpu, inner).expect_err("inside an object");
            assert!(
                is_inside(error.reason, offset, usable),
                "{address:#x}: {error}"
            );
        }
    }

    fn free_wrong(&self, cpu: usize, offset: usize) {
        let wrong = self.ram.map_addr(|a| a.saturating_add(offset));
        let address = wrong.addr().get();
        let object = self.live.range(..=address).next_back();
        if self.live.contains_key(&address) {
            return;
        }
        let error = free(self.kmalloc, cpu, wrong).expect_err("no object starts there");
        assert_eq!(error.address, address);
        if let Some((start, &(_, object))) = object {
            let (inside, usable) = (address - start, usable_size(self.kmalloc, object));
            let usable = usable.expect("an object");
            if inside < usable {
                assert!(
                    is_inside(error.reason, inside, usable),
                    "{address:#x}: {error}"
                );
            }
        }
        if offset >= self.frames.total() * 4096 {
            assert_eq!(error.reason, Reason::Foreign, "{address:#x}");
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Alloc { cpu, size } => self.several(cpu, size, 1),
            Step::Several { cpu, size, count } => self.several(cpu, size, count),
            Step::Exhaust { cpu, size } => self.exhaust(cpu, size),
            Step::Free { cpu, which } => self.free(cpu, which),
            Step::FreeAgain { cpu, which } => {
                self.free(cpu, which);
                self.free_again(cpu);
            }
            Step::FreeInside { cpu, which, offset } => self.free_inside(cpu, which, offset),
            Step::FreeWrong { cpu, offset } => self.free_wrong(cpu, offset),
            Step::Drain => drop(self.kmalloc.drain()),
        }
    }

    fn check(&self) {
        let stats = self.kmalloc.stats();
        assert_eq!(stats.live(), self.live.len(), "objects in use");
        let all = stats.pages() + self.frames.free_count();
        assert_eq!(all, self.frames.total(), "pages of objects and free pages");
        for class in &stats.classes {
            // The first of many is a red zone with `debug`.
            let withheld = usize::from(cfg!(feature = "debug") && class.size <= 512);
            let objects = class.slabs * (4096 / class.size - withheld);
            assert_eq!(class.live + class.cached + class.free, objects, "{class:?}");
        }
    }
}

/// Whether that names the object's byte; with `debug` the size told is more than what was asked.
fn is_inside(reason: Reason, at: usize, usable: usize) -> bool {
    let Reason::Inside { offset, size } = reason else {
        return false;
    };
    let (offset, size) = (usize::from(offset), usize::from(size));
    offset == at && (size == usable || cfg!(feature = "debug") && size > usable)
}
