//! Random steps against a plain model: which objects are in use. The memory is real, and each
//! object is filled when it comes and checked when it goes.

mod common;

use common::{TestFrames, TestKmalloc, fill, free, make, verify};
use kmalloc::Place;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ptr::NonNull;

#[derive(Clone, Debug)]
enum Step {
    Alloc {
        cpu: usize,
        size: usize,
    },
    Several {
        cpu: usize,
        size: usize,
        count: usize,
    },
    Free {
        cpu: usize,
        which: usize,
    },
    FreeAgain {
        cpu: usize,
        which: usize,
    },
    FreeInside {
        cpu: usize,
        which: usize,
        offset: usize,
    },
    Drain,
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        4 => 1usize..=300,
        4 => 1usize..=4096,
        1 => (0u32..=12).prop_map(|shift| 1 << shift),
        1 => prop_oneof![Just(0), 4097usize..100_000, Just(usize::MAX)],
    ];
    let cpu = 0usize..3; // one more than there are
    let which = any::<usize>();
    prop_oneof![
        30 => (cpu.clone(), size).prop_map(|(cpu, size)| Step::Alloc { cpu, size }),
        4 => (cpu.clone(), 1usize..600, 1usize..100)
            .prop_map(|(cpu, size, count)| Step::Several { cpu, size, count }),
        50 => (cpu.clone(), which).prop_map(|(cpu, which)| Step::Free { cpu, which }),
        5 => (cpu.clone(), which).prop_map(|(cpu, which)| Step::FreeAgain { cpu, which }),
        5 => (cpu, which, 1usize..4096)
            .prop_map(|(cpu, which, offset)| Step::FreeInside { cpu, which, offset }),
        1 => Just(Step::Drain),
    ]
}

struct Model {
    kmalloc: &'static TestKmalloc,
    frames: &'static TestFrames,
    /// Address of each object in use, with the size that was asked and the pointer.
    live: BTreeMap<usize, (usize, NonNull<u8>)>,
    /// The object that was freed last.
    gone: Option<NonNull<u8>>,
}

impl Model {
    fn alloc(&mut self, cpu: usize, size: usize) {
        let Some(object) = self.kmalloc.alloc(cpu, size) else {
            self.failed(size);
            return;
        };
        let address = object.addr().get();
        assert!((1..=4096).contains(&size), "an object for {size} bytes");
        let align = if size.is_power_of_two() {
            size.max(16)
        } else {
            16
        };
        assert_eq!(address % align, 0, "{object:?} for {size} bytes");
        let usable = self.kmalloc.usable_size(object).expect("an object");
        assert!(usable >= size, "{usable} bytes for {size}");
        if let Some((&before, &(_, other))) = self.live.range(..address + usable).next_back() {
            let end = before + self.kmalloc.usable_size(other).expect("an object");
            assert!(end <= address, "{object:?} overlaps {other:?}");
        }
        fill(object, size);
        self.live.insert(address, (size, object));
        self.gone = None;
    }

    /// An allocation may fail only if there is nothing left: neither an object of its class nor
    /// the two pages that a slab and its record may need.
    fn failed(&self, size: usize) {
        if (1..=4096).contains(&size) {
            let free = self.frames.free_count();
            assert!(free <= 1, "{size} bytes failed with {free} pages free");
            let stats = self.kmalloc.stats();
            if let Some(class) = stats.classes.iter().find(|class| class.size >= size) {
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
        let pair = self.live.iter().nth(which % self.live.len().max(1))?;
        Some((*pair.0, *pair.1))
    }

    fn free(&mut self, cpu: usize, which: usize) {
        let Some((address, (size, object))) = self.pick(which) else {
            return;
        };
        verify(object, size);
        self.live.remove(&address);
        assert_eq!(free(self.kmalloc, cpu, object), Ok(()));
        self.gone = Some(object);
    }

    fn free_again(&mut self, cpu: usize) {
        let Some(object) = self.gone else { return };
        let error = free(self.kmalloc, cpu, object).expect_err("it was freed before");
        assert_eq!(error.address, object.addr().get());
        assert!(
            matches!(error.place, Place::Free { .. } | Place::Foreign),
            "{error}"
        );
    }

    fn free_inside(&self, cpu: usize, which: usize, offset: usize) {
        let Some((address, (_, object))) = self.pick(which) else {
            return;
        };
        let usable = self.kmalloc.usable_size(object).expect("an object");
        let offset = offset % usable;
        if offset != 0 {
            let inner = object.map_addr(|a| a.saturating_add(offset));
            let error = free(self.kmalloc, cpu, inner).expect_err("inside an object");
            assert_eq!(
                error.place,
                Place::Inside {
                    offset: offset as u16,
                    size: usable as u16
                },
                "{address:#x}"
            );
        }
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Alloc { cpu, size } => self.alloc(cpu, size),
            Step::Several { cpu, size, count } => (0..count).for_each(|_| self.alloc(cpu, size)),
            Step::Free { cpu, which } => self.free(cpu, which),
            Step::FreeAgain { cpu, which } => {
                self.free(cpu, which);
                self.free_again(cpu);
            }
            Step::FreeInside { cpu, which, offset } => self.free_inside(cpu, which, offset),
            Step::Drain => drop(self.kmalloc.drain()),
        }
    }

    fn check(&self) {
        let stats = self.kmalloc.stats();
        assert_eq!(stats.live(), self.live.len(), "objects in use");
        let all = stats.pages() + self.frames.free_count();
        assert_eq!(all, self.frames.total(), "pages of objects and free pages");
        for class in &stats.classes {
            let objects = class.slabs * (4096 / class.size);
            assert_eq!(class.live + class.cached + class.free, objects, "{class:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn behaves_like_the_model(
        pages in 0u32..100,
        shrinker: bool,
        steps in prop::collection::vec(step(), 1..1500),
    ) {
        let (kmalloc, frames) = make(pages.max(1));
        if shrinker {
            assert!(frames.register_shrinker(kmalloc));
        }
        let initial = frames.free_blocks();
        let mut model = Model { kmalloc, frames, live: BTreeMap::new(), gone: None };
        for step in &steps {
            model.run(step);
            model.check();
        }
        while !model.live.is_empty() {
            model.free(0, model.live.len() / 2);
        }
        model.check();
        kmalloc.drain();
        assert_eq!(kmalloc.stats().pages(), 0, "{}", kmalloc.stats());
        frames.drain_caches();
        assert_eq!(frames.free_blocks(), initial, "everything given back");
    }
}
