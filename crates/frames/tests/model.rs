//! Random steps against a plain model, which is in `common/model.rs`: on the crate's allocator, and on that
//! of `examples/bitmap`.

#[path = "../examples/bitmap/bitmap.rs"]
mod bitmap;
#[path = "../examples/bitmap/bits.rs"]
mod bits;
#[path = "../examples/bitmap/blocks.rs"]
mod blocks;
mod common;
#[macro_use]
#[path = "common/interface.rs"]
mod interface;
#[path = "common/compound.rs"]
mod compound;
#[path = "common/model.rs"]
mod model;
#[path = "common/steps.rs"]
mod steps;

use common::{Spin, TestFrames};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use steps::{BOTTOM, MACHINE_BYTES, Machine, STEP_BYTES, Step, TOP};

mod of_the_bitmap {
    use crate::bitmap::Bitmap;
    use crate::common::Spin;
    use frames::{Layout, MAX_ORDER, OutOfMemory, Pfn, State, Stats, WrongFree};

    interface!(implement Bitmap<Spin>);
}

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
        model::run::<TestFrames>(&machine, steps);
    }

    #[test]
    fn the_bitmap_behaves_like_the_model(
        machine in machine(),
        steps in prop::collection::vec(step(), 1..STEPS),
    ) {
        model::run::<bitmap::Bitmap<Spin>>(&machine, steps);
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
