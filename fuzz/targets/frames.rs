//! Interprets bytes as a machine and operations on its frames, checked against the model of the
//! crate's tests.
#![no_main]

#[path = "../../crates/frames/tests/common/mod.rs"]
mod common;
#[path = "../../crates/frames/tests/common/interface.rs"]
mod interface;
#[path = "../../crates/frames/tests/common/compound.rs"]
mod compound;
#[path = "../../crates/frames/tests/common/model.rs"]
mod model;
#[path = "../../crates/frames/tests/common/steps.rs"]
mod steps;

use libfuzzer_sys::fuzz_target;
use steps::{Machine, Step};

fuzz_target!(|data: &[u8]| {
    if let Some((machine, data)) = data.split_first_chunk() {
        let steps = data.as_chunks().0;
        model::run::<common::TestFrames>(
            &Machine::decode(*machine),
            steps.iter().copied().map(Step::decode),
        );
    }
});
