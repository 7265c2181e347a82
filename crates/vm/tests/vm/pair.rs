//! The crate's world and the model's, side by side: each operation happens in both, and after each,
//! both must agree and every frame must be accounted for.

use crate::alloc;
use crate::ledger::Ledger;
use crate::mmu::go_to;
use crate::model::{FILE, HEAP, Model, PROGRAM, STACK};
use crate::ops::{Failing, Op};
use crate::page::word_of;
use crate::ram::Ram;
use crate::world::{PAGE, RW, Space, World};
use abi::{Prot, USER_TOP};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use vm::{Access, Error, FaultError, Machine, RegionKind};

/// Most processes at a time.
const PROCESSES: usize = 5;
/// Steps after which all spaces are looked at again, not only those that something was done to.
const ROUND: usize = 25;

pub(crate) struct Pair {
    world: World,
    models: Vec<Model>,
    ledger: Ledger,
    steps: usize,
}

impl Pair {
    pub(crate) fn new(ram: &Ram) -> Pair {
        let mut world = World::on(ram.clone());
        world.spaces.reserve(PROCESSES);
        let first = program(&mut world).expect("memory for a program");
        world.spaces.push(first);
        Pair {
            world,
            models: vec![Model::new()],
            ledger: Ledger::default(),
            steps: 0,
        }
    }

    /// One operation on both, on this hart. An operation that says that memory ended must have had a reason, and
    /// then the model stays as it is.
    #[rustfmt::skip]
    pub(crate) fn step(&mut self, hart: usize, p: usize, op: Op, failing: Failing) {
        let p = p % self.models.len();
        self.steps += 1;
        go_to(hart);
        self.world.ram.enter(self.world.spaces[p].root());
        match op {
            Op::Mmap { len, .. } | Op::Mremap { new: len, .. } if !affordable(len) => {}
            Op::Mmap { hint, len, prot, flags } => self.both(p, op, failing,
                |s| s.mmap(hint, len, prot, flags), |m| m.mmap(hint, len, prot, flags)),
            Op::Munmap { start, len } => self.both(p, op, failing,
                |s| s.munmap(start, len), |m| m.munmap(start, len)),
            Op::Mprotect { start, len, prot } => self.both(p, op, failing,
                |s| s.mprotect(start, len, prot), |m| m.mprotect(start, len, prot)),
            Op::Madvise { start, len, advice } => self.both(p, op, failing,
                |s| s.madvise(start, len, advice), |m| m.madvise(start, len, advice)),
            Op::Mremap { start, old, new, may_move } => self.both(p, op, failing,
                |s| s.mremap(start, old, new, may_move), |m| m.mremap(start, old, new, may_move)),
            Op::Sbrk { delta } => self.both(p, op, failing,
                |s| s.sbrk(delta), |m| m.sbrk(delta)),
            Op::Mincore { start, len } => self.mincore(p, start, len),
            Op::Fork => self.fork(p, failing),
            Op::Exec => self.exec(p, failing),
            Op::Exit if self.models.len() < 2 => {}
            Op::Exit => {
                self.world.exit(p);
                self.models.swap_remove(p);
                self.ledger.ended(p);
            }
            Op::Access { addr, access } => self.access(p, addr, access, failing),
            // A page that is mapped stays in the cache of a kernel that keeps to promises.
            Op::DropCache if self.world.ram.is_strict() => {}
            Op::DropCache => self.world.drop_cache(),
        }
        if self.steps.is_multiple_of(ROUND) {
            (0..self.models.len()).for_each(|p| self.look_at(p));
            self.world.check_windows();
        } else {
            self.look_at(p.min(self.models.len() - 1));
        }
        self.world.ram.check_tlbs();
        let hidden = self.shared_frames() + self.world.ram.frames_reserved();
        self.ledger.balance(&self.world, hidden);
        let ram = &self.world.ram;
        if !ram.is_strict() {
            return;
        }
        let used = ram.used() - ram.frames_reserved() - self.world.cached_pages();
        assert!(
            used as u64 <= ram.committed(),
            "{used} frames in use, {} promised",
            ram.committed()
        );
    }

    /// Runs something with something failing; tells whether memory ended during it.
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

    fn both<R: PartialEq + std::fmt::Debug>(
        &mut self,
        p: usize,
        op: Op,
        failing: Failing,
        real: impl FnOnce(&mut Space) -> Result<R, Error>,
        model: impl FnOnce(&mut Model) -> Result<R, Error>,
    ) {
        let (result, reason) = self.run(failing, |world| real(&mut world.spaces[p]));
        if result != Err(Error::NoMemory) || !reason {
            assert_eq!(result, model(&mut self.models[p]), "{op:x?} of {p}");
        }
    }

    fn fork(&mut self, p: usize, failing: Failing) {
        if self.models.len() == PROCESSES {
            return;
        }
        match self.run(failing, |world| world.fork(p)) {
            (Ok(child), _) => {
                self.models.push(self.models[p].fork());
                self.look_at(child);
            }
            (Err(error), reason) => assert_eq!((error, reason), (Error::NoMemory, true)),
        }
    }

    fn exec(&mut self, p: usize, failing: Failing) {
        match self.run(failing, program) {
            (Ok(space), _) => {
                self.world.ram.leave_everywhere();
                self.world.spaces[p] = space;
                self.models[p] = Model::new();
            }
            (Err(error), reason) => assert_eq!((error, reason), (Error::NoMemory, true)),
        }
    }

    /// What `mincore` tells must be what the tables have.
    fn mincore(&mut self, p: usize, start: u64, len: u64) {
        let mut told = vec![];
        let result = self.world.spaces[p].mincore(start, len, |here| told.push(here));
        let expected = self.models[p].covered(start, len);
        assert_eq!(
            result,
            expected.map(|_| ()),
            "mincore({start:#x}, {len:#x})"
        );
        let zero = self.world.ram.zero_page();
        let pages = self.ledger.look_at(&self.world, p);
        let there: HashSet<u64> = pages
            .into_iter()
            .filter(|page| page.1 != zero)
            .map(|page| page.0)
            .collect();
        let (first, count) = expected.unwrap_or((0, 0));
        let expected = (first..first + count).map(|number| there.contains(&(number * PAGE)));
        assert!(told.iter().copied().eq(expected), "{told:?} at {start:#x}");
    }

    /// An access by the program. Refused ones must have been refused by the tables, and granted
    /// ones reach the word of the model.
    fn access(&mut self, p: usize, addr: u64, access: Access, failing: Failing) {
        let (word, addr) = word_of(addr);
        let value = self.steps as u64;
        // The MMU and the cache allocate for the test, so only frames can fail here.
        let failing = match failing {
            Failing::Record(_) => Failing::Nothing,
            other => other,
        };
        let (result, reason) = self.run(failing, |world| match access {
            Access::Read => world.load(p, addr),
            Access::Write => world.store(p, addr, value).map(|()| value),
            Access::Execute => world.access(p, addr, access).map(|_| 0),
        });
        if result == Err(FaultError::OutOfMemory) {
            assert!(reason, "{access:?} at {addr:#x} by {p} had memory");
            let kept = !self.world.ram.is_strict() || !matches!(failing, Failing::Nothing);
            assert!(kept, "{access:?} at {addr:#x} by {p} had a promise");
            return;
        }
        let model = &mut self.models[p];
        let (right, known) = match (access, model.page(addr)) {
            (Access::Read, page) => (Prot::READ, page.map_or(0, |page| page.1[word])),
            (Access::Write, _) => (Prot::WRITE, value),
            (Access::Execute, _) => (Prot::EXEC, 0),
        };
        let allowed = model.page(addr).is_some_and(|page| page.0.contains(right));
        assert_eq!(
            result.ok(),
            allowed.then_some(known),
            "{access:?} at {addr:#x} by {p}"
        );
        if allowed && access == Access::Write {
            model.store(addr, value);
        }
    }

    /// All that the tables of a process show must be what the model says, with no more rights.
    fn look_at(&mut self, p: usize) {
        let pages = self.ledger.look_at(&self.world, p);
        let model = &self.models[p];
        for &(addr, pfn, bits) in &pages {
            let Some((prot, words)) = model.page(addr) else {
                panic!("{p} has a page at {addr:#x} that the model has not");
            };
            let granted = Prot::from_bits_truncate((bits >> 1) as u32 & 7);
            assert!(
                bits & 1 == 0 || prot.contains(granted),
                "{p} may {granted:?} at {addr:#x} where {prot:?} is allowed"
            );
            let frame = self.world.ram.words(pfn);
            let found = [&frame[0], &frame[511]].map(|word| word.load(Relaxed));
            assert_eq!(found, words, "{p} at {addr:#x}: found, expected");
            model.shown(addr);
        }
        let size = self.world.spaces[p].stats().size;
        assert_eq!(size, model.size(), "pages of {p}");
    }

    /// Frames that shared memory has, of all processes.
    fn shared_frames(&self) -> usize {
        let mut seen = vec![];
        let mut frames = 0;
        for object in self.models.iter().flat_map(Model::objects) {
            if !seen.contains(&Rc::as_ptr(object)) {
                seen.push(Rc::as_ptr(object));
                frames += object.frames();
            }
        }
        frames
    }

    /// Every page of every process, and then the end of all. Tells how often large pages and common
    /// tables were seen.
    pub(crate) fn end(mut self) -> (u64, u64) {
        for p in 0..self.models.len() {
            for page in self.models[p].addresses() {
                self.access(p, page, Access::Read, Failing::Nothing);
                self.access(p, page + PAGE - 8, Access::Read, Failing::Nothing);
            }
        }
        self.world.end();
        self.ledger.seen
    }
}

/// What every process runs at first.
fn program(world: &mut World) -> Result<Space, Error> {
    let mut space = Space::new(world.ram.clone())?;
    for (start, len, prot, offset, file_len) in PROGRAM {
        space.map_object(start, len, prot, world.part(FILE, offset, file_len))?;
    }
    let guard = STACK - PAGE;
    space.map_anonymous_fixed(STACK, PAGE, RW, RegionKind::Stack)?;
    space.map_anonymous_fixed(guard, PAGE, Prot::empty(), RegionKind::Stack)?;
    space.set_heap(HEAP);
    Ok(space)
}

/// The model has an entry for each page, so mappings of gigabytes are not for it.
fn affordable(len: u64) -> bool {
    len <= 8 << 20 || len > USER_TOP
}
