//! Random operations by several processes, on the crate and on the model; after each, both must
//! agree, and every frame must be accounted for.

use crate::alloc;
use crate::mapping::{FIXED, PRIVATE};
use crate::model::{FILE, HEAP, Model, PROGRAM, STACK, word_of};
use crate::world::{PAGE, RW, World};
use abi::{MAXVA, MMAP_BASE, MapFlags, Prot, USER_TOP};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use vm::{Access, Error, FaultError, RegionKind};

#[derive(Clone, Debug)]
enum Op {
    Mmap {
        hint: u64,
        len: u64,
        prot: Prot,
        flags: MapFlags,
    },
    Munmap {
        start: u64,
        len: u64,
    },
    Sbrk {
        delta: i64,
    },
    Fork,
    Exit,
    Access {
        addr: u64,
        access: Access,
    },
    /// Also without any of the frames that the cache holds.
    DropCache,
}

/// What fails during a step, if it comes to it.
#[derive(Clone, Copy, Debug)]
enum Failing {
    Nothing,
    Frame(usize),
    Record(usize),
}

/// Pages that are worth a try: where the program, the heap and the mappings are, borders of tables,
/// and the edges.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0..24u64).prop_map(|n| MMAP_BASE + n * PAGE),
        4 => (0..24u64).prop_map(|n| n * PAGE),
        3 => (0..16u64).prop_map(|n| MMAP_BASE + (2 << 20) - 8 * PAGE + n * PAGE),
        2 => (0..8u64).prop_map(|n| MMAP_BASE + (1 << 30) - 4 * PAGE + n * PAGE),
        2 => (0..6u64).prop_map(|n| USER_TOP - 4 * PAGE + n * PAGE),
        1 => prop::sample::select(vec![MAXVA, MAXVA - PAGE, 1 << 39, !4095, 1 << 63]),
    ]
}

fn addr() -> impl Strategy<Value = u64> {
    (page(), prop::sample::select(vec![0, 8, PAGE - 8])).prop_map(|(page, inside)| page + inside)
}

fn len() -> impl Strategy<Value = u64> {
    prop_oneof![
        12 => (1..12u64).prop_map(|n| n * PAGE),
        3 => 1..4 * PAGE,
        1 => Just((2 << 20) + 5 * PAGE),
        1 => prop::sample::select(vec![0, u64::MAX, USER_TOP, USER_TOP - MMAP_BASE, 1 << 63]),
    ]
}

fn flags() -> impl Strategy<Value = MapFlags> {
    let shared = MapFlags::SHARED | MapFlags::ANONYMOUS;
    prop_oneof![
        6 => Just(PRIVATE),
        4 => Just(MapFlags::empty()),
        4 => Just(FIXED),
        2 => Just(shared),
        1 => Just(shared | MapFlags::FIXED),
        1 => (0..0x40u32).prop_map(MapFlags::from_bits_truncate),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let prot = prop_oneof![4 => Just(RW), 2 => (0..8u32).prop_map(Prot::from_bits_truncate)];
    let access = prop_oneof![
        4 => Just(Access::Read),
        6 => Just(Access::Write),
        1 => Just(Access::Execute),
    ];
    let hint = prop_oneof![3 => Just(0), 6 => page(), 1 => addr()];
    let small = prop_oneof![-3 * PAGE as i64..8 * PAGE as i64, -200i64..200];
    let delta = prop_oneof![
        9 => small,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, 1 << 38, -(1 << 37), 3 << 20]),
    ];
    prop_oneof![
        6 => (hint, len(), prot, flags())
            .prop_map(|(hint, len, prot, flags)| Op::Mmap { hint, len, prot, flags }),
        4 => (prop_oneof![9 => page(), 1 => addr()], len())
            .prop_map(|(start, len)| Op::Munmap { start, len }),
        3 => delta.prop_map(|delta| Op::Sbrk { delta }),
        2 => Just(Op::Fork),
        1 => Just(Op::Exit),
        16 => (addr(), access).prop_map(|(addr, access)| Op::Access { addr, access }),
        1 => Just(Op::DropCache),
    ]
}

fn step() -> impl Strategy<Value = (usize, Op, Failing)> {
    let failing = prop_oneof![
        8 => Just(Failing::Nothing),
        1 => (0..6usize).prop_map(Failing::Frame),
        1 => (0..4usize).prop_map(Failing::Record),
    ];
    (0..8usize, op(), failing)
}

/// The crate's world and the model's, side by side.
struct Pair {
    world: World,
    models: Vec<Model>,
    stores: u64,
}

impl Pair {
    fn new(frames: usize) -> Pair {
        let mut world = World::with_space(frames);
        let space = world.space();
        for (start, len, prot, offset, file_len) in PROGRAM {
            space
                .map_file(start, len, prot, FILE, offset, file_len)
                .expect("memory");
        }
        let guard = STACK - PAGE;
        space
            .map_anonymous_fixed(STACK, PAGE, RW, RegionKind::Stack)
            .expect("memory");
        let prot = Prot::empty();
        space
            .map_anonymous_fixed(guard, PAGE, prot, RegionKind::Stack)
            .expect("memory");
        space.set_heap(HEAP);
        world.spaces.reserve(16);
        Pair {
            world,
            models: vec![Model::new()],
            stores: 0,
        }
    }

    /// One operation on both. An operation that says that memory ended must have had a reason, and
    /// then the model stays as it is.
    fn step(&mut self, p: usize, op: &Op, failing: Failing) {
        let p = p % self.models.len();
        match *op {
            Op::Mmap {
                hint,
                len,
                prot,
                flags,
            } if affordable(len) => {
                let result = self.run(failing, |w| w.spaces[p].mmap(hint, len, prot, flags));
                let model = |m: &mut Model| m.mmap(hint, len, prot, flags);
                self.compare(p, op, result, model);
            }
            Op::Mmap { .. } => {}
            Op::Munmap { start, len } => {
                let result = self.run(failing, |w| w.spaces[p].munmap(start, len));
                self.compare(p, op, result, |m| m.munmap(start, len));
            }
            Op::Sbrk { delta } => {
                let result = self.run(failing, |w| w.spaces[p].sbrk(delta));
                self.compare(p, op, result, |m| m.sbrk(delta));
            }
            Op::Fork if self.models.len() >= 5 => {}
            Op::Fork => match self.run(failing, |w| w.fork(p)) {
                (Ok(_), _) => self.models.push(self.models[p].fork()),
                (Err(error), reason) => assert_eq!((error, reason), (Error::NoMemory, true)),
            },
            Op::Exit if self.models.len() < 2 => {}
            Op::Exit => {
                self.world.exit(p);
                self.models.swap_remove(p);
            }
            Op::Access { addr, access } => self.access(p, addr, access, failing),
            Op::DropCache => self.world.drop_cache(),
        }
        self.check(p, op);
    }

    fn run<R>(&mut self, failing: Failing, work: impl FnOnce(&mut World) -> R) -> (R, bool) {
        let ram = self.world.ram.clone();
        let refused = ram.refused();
        let (result, fired) = match failing {
            Failing::Nothing => (work(&mut self.world), false),
            Failing::Frame(skip) => ram.failing_after(skip, || work(&mut self.world)),
            Failing::Record(skip) => alloc::failing_after(skip, || work(&mut self.world)),
        };
        (result, fired || ram.refused() > refused)
    }

    fn compare<R: PartialEq + std::fmt::Debug>(
        &mut self,
        p: usize,
        op: &Op,
        (result, reason): (Result<R, Error>, bool),
        model: impl FnOnce(&mut Model) -> Result<R, Error>,
    ) {
        if result == Err(Error::NoMemory) && reason {
            return;
        }
        assert_eq!(result, model(&mut self.models[p]), "{op:?} of {p}");
    }

    fn access(&mut self, p: usize, addr: u64, access: Access, failing: Failing) {
        let (word, addr) = word_of(addr);
        self.stores += 1;
        let value = self.stores;
        // The MMU and the cache allocate for the test, so only frames can fail here.
        let failing = if let Failing::Record(_) = failing {
            Failing::Nothing
        } else {
            failing
        };
        let (result, reason) = self.run(failing, |world| match access {
            Access::Read => world.load(p, addr),
            Access::Write => world.store(p, addr, value).map(|()| value),
            Access::Execute => world.access(p, addr, access).map(|_| 0),
        });
        if result == Err(FaultError::OutOfMemory) {
            assert!(reason, "{access:?} at {addr:#x} by {p} had memory");
            return;
        }
        let expected = self.models[p]
            .access(addr, access)
            .map(|words| match access {
                Access::Read => words.borrow()[word],
                Access::Write => {
                    words.borrow_mut()[word] = value;
                    value
                }
                Access::Execute => 0,
            });
        assert_eq!(result.ok(), expected, "{access:?} at {addr:#x} by {p}");
    }

    fn check(&self, p: usize, op: &Op) {
        self.world.audit(self.models.iter().any(Model::has_shared));
        let p = p.min(self.models.len() - 1);
        let size = self.world.spaces[p].stats().size;
        assert_eq!(size, self.models[p].size(), "pages of {p} after {op:?}");
    }

    /// Every page of every process, and then the end of all.
    fn end(mut self) {
        for p in 0..self.models.len() {
            for page in self.models[p].addresses() {
                self.access(p, page, Access::Read, Failing::Nothing);
                self.access(p, page + PAGE - 8, Access::Read, Failing::Nothing);
            }
        }
        self.world.end();
    }
}

/// The model has an entry for each page, so mappings of gigabytes are not for it.
fn affordable(len: u64) -> bool {
    len <= 8 << 20 || len > USER_TOP
}

fn config(cases: u32) -> ProptestConfig {
    // PROPTEST_CASES asks for more, PROPTEST_RNG_SEED for others.
    let asked = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() {
        asked.cases
    } else {
        cases
    };
    let rng_seed = match asked.rng_seed {
        RngSeed::Random => RngSeed::Fixed(0x9a60da),
        seed => seed,
    };
    ProptestConfig {
        cases,
        rng_seed,
        failure_persistence: None,
        ..asked
    }
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn processes_see_what_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new(1500);
        for (p, op, failing) in &steps {
            pair.step(*p, op, *failing);
        }
        pair.end();
    }

    #[test]
    fn also_when_memory_is_short(steps in prop::collection::vec(step(), 1..120)) {
        let mut pair = Pair::new(40);
        for (p, op, failing) in &steps {
            pair.step(*p, op, *failing);
        }
        pair.end();
    }
}
