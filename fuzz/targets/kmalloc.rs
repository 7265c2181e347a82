//! Interprets bytes as a number of pages and operations on objects, checked against the model of
//! the crate's tests.
#![no_main]

#[path = "../../crates/kmalloc/tests/common/mod.rs"]
mod common;
#[path = "../../crates/kmalloc/tests/common/steps.rs"]
mod steps;

use libfuzzer_sys::fuzz_target;
use steps::{Step, run};

fuzz_target!(|data: &[u8]| {
    if let Some((&[first], data)) = data.split_first_chunk() {
        let steps = data.as_chunks().0;
        let pages = u32::from(first / 2).max(1);
        run(
            pages,
            first % 2 == 1,
            steps.iter().copied().map(Step::decode),
        );
    }
});
