//! Random steps against a plain model, which is in `common/model.rs`.

mod common;
#[path = "common/large.rs"]
mod large;
#[path = "common/model.rs"]
mod model;
#[path = "common/steps.rs"]
mod steps;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use steps::{BOTTOM, MACHINE_BYTES, Machine, STEP_BYTES, Step, TOP};

/// Steps of a case, at most; under Miri a step takes a thousand times as long.
const STEPS: usize = if cfg!(miri) { 60 } else { 2000 };

fn machine() -> impl Strategy<Value = Machine> {
    any::<[u8; MACHINE_BYTES]>().prop_map(Machine::decode)
}

fn step() -> impl Strategy<Value = Step> {
    any::<[u8; STEP_BYTES]>().prop_map(Step::decode)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 96 },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(2),
        ..Default::default()
    })]

    #[test]
    fn behaves_like_the_model(
        machine in machine(),
        steps in prop::collection::vec(step(), 1..STEPS),
    ) {
        model::run(&machine, steps);
    }

    #[test]
    fn finds_room_for_the_metadata(machine in machine(), count in 1usize..500) {
        let layout = frames::Layout { usable: &machine.usable, reserved: &machine.reserved };
        if let Some(place) = layout.place(count) {
            let all = (place.get()..place.get() + count as u32).all(|n| machine.is_managed(n));
            prop_assert!(all, "{place:?} and {count} frames");
        }
        let counted = (BOTTOM..TOP).filter(|&n| machine.is_managed(n)).count();
        prop_assert_eq!(layout.free_frames(), counted);
        prop_assert!(layout.place(counted + 1).is_none());
    }
}
