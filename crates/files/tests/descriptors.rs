//! Random steps on descriptors, against a map.

use abi::Errno;
use fallible::KArc;
use files::{Descriptors, Open};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

struct File {
    number: usize,
    _witness: Arc<()>,
}

impl Open for File {
    fn bytes(&self) -> usize {
        1 << 12 << (self.number % 3)
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Open,
    /// A descriptor more for an open file.
    Dup(i32),
    Close(i32),
    Fork,
    CloseAll,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        40 => Just(Step::Open),
        10 => (-2..100).prop_map(Step::Dup),
        30 => (-2..100).prop_map(Step::Close),
        2 => Just(Step::Fork),
        1 => Just(Step::CloseAll),
    ]
}

#[derive(Default)]
struct Model(BTreeMap<i32, usize>);

impl Model {
    fn lowest(&self) -> i32 {
        (0..).find(|number| !self.0.contains_key(number)).unwrap()
    }
}

struct World {
    files: Descriptors<File>,
    model: Model,
    opened: usize,
    witness: Arc<()>,
}

impl World {
    fn take(&mut self, step: Step) {
        match step {
            Step::Open => {
                let number = self.opened;
                self.opened += 1;
                let witness = self.witness.clone();
                let file = KArc::try_new(File {
                    number,
                    _witness: witness,
                })
                .unwrap();
                self.add(file);
            }
            Step::Dup(descriptor) => match self.files.get(descriptor) {
                Ok(file) => self.add(file),
                Err(error) => assert_eq!(
                    (error, self.model.0.get(&descriptor)),
                    (Errno::BadFile, None)
                ),
            },
            Step::Close(descriptor) => {
                let removed = self.files.remove(descriptor).map(|file| file.number);
                let expected = self.model.0.remove(&descriptor);
                assert_eq!(removed, expected.ok_or(Errno::BadFile));
            }
            Step::Fork => {
                // The child goes on, and the parent's descriptors go.
                let child = self.files.try_clone().unwrap();
                assert_eq!(child.pages(), self.files.pages());
                self.files = child;
            }
            Step::CloseAll => {
                drop(self.files.take());
                self.model.0.clear();
                assert_eq!(self.files.pages(), 0);
            }
        }
    }

    fn add(&mut self, file: KArc<File>) {
        let (number, expected) = (file.number, self.model.lowest());
        assert_eq!(self.files.add(file), Ok(expected));
        self.model.0.insert(expected, number);
    }

    fn check(&self) {
        let highest = self
            .model
            .0
            .last_key_value()
            .map_or(0, |(number, _)| *number);
        for descriptor in -1..highest + 40 {
            let seen = self.files.get(descriptor).map(|file| file.number);
            let expected = self.model.0.get(&descriptor).copied();
            assert_eq!(
                seen,
                expected.ok_or(Errno::BadFile),
                "descriptor {descriptor}"
            );
        }
        // What the files take, and a piece of the table for 32 descriptors up to the highest one.
        let files: usize = self.model.0.values().map(|number| 1 << (number % 3)).sum();
        let table = match self.model.0.is_empty() {
            true => 0,
            false => (highest as usize / 32 + 1) * 264 / 4096,
        };
        assert_eq!(self.files.pages(), files + table);
        let mut open: Vec<usize> = self.model.0.values().copied().collect();
        open.sort_unstable();
        open.dedup();
        assert_eq!(Arc::strong_count(&self.witness), open.len() + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn behaves_like_a_map(steps in prop::collection::vec(step(), 1..400)) {
        let mut world = World {
            files: Descriptors::new(),
            model: Model::default(),
            opened: 0,
            witness: Arc::new(()),
        };
        for step in steps {
            world.take(step);
            world.check();
        }
    }
}
