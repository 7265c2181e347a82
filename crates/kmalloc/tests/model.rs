//! Random steps against a plain model, which is in `common/steps.rs`.

mod common;
#[path = "common/steps.rs"]
mod steps;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use steps::{STEP_BYTES, Step, run};

/// Steps of a case, at most; under Miri a step takes a thousand times as long.
const STEPS: usize = if cfg!(miri) { 60 } else { 3000 };

fn step() -> impl Strategy<Value = Step> {
    any::<[u8; STEP_BYTES]>().prop_map(Step::decode)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 2 } else { 48 },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(3),
        ..Default::default()
    })]

    #[test]
    fn behaves_like_the_model(
        pages in 1u32..if cfg!(miri) { 6 } else { 100 },
        shrinker: bool,
        steps in prop::collection::vec(step(), 1..STEPS),
    ) {
        run(pages, shrinker, steps);
    }
}
