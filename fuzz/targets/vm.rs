//! Interprets bytes as operations of several processes on their address spaces, checked against the
//! model of the crate's tests.
#![no_main]
// Only part of these modules is used.
#![allow(dead_code, unused_imports)]

#[path = "../../crates/vm/tests/vm/alloc.rs"]
mod alloc;
#[path = "../../crates/vm/tests/vm/harts.rs"]
mod harts;
#[path = "../../crates/vm/tests/vm/ledger.rs"]
mod ledger;
#[path = "../../crates/vm/tests/vm/mapping.rs"]
mod mapping;
#[path = "../../crates/vm/tests/vm/mmu.rs"]
mod mmu;
#[path = "../../crates/vm/tests/vm/model.rs"]
mod model;
#[path = "../../crates/vm/tests/vm/ops.rs"]
mod ops;
#[path = "../../crates/vm/tests/vm/page.rs"]
mod page;
#[path = "../../crates/vm/tests/vm/pair.rs"]
mod pair;
#[path = "../../crates/vm/tests/vm/ram.rs"]
mod ram;
#[path = "../../crates/vm/tests/vm/random.rs"]
mod random;
#[path = "../../crates/vm/tests/vm/world.rs"]
mod world;

use libfuzzer_sys::fuzz_target;
use pair::Pair;
use ram::Ram;
use random::Random;

/// Sizes of the machines in frames: plenty with one large page, little memory, and several large
/// pages, with reservations. A byte selects one.
const FRAMES: [usize; 5] = [1500, 1500, 100, 40, 2100];
/// Limit on operations per input.
const STEPS: usize = 400;

std::thread_local! {
    /// Reused: all frames are free after each input.
    static MACHINES: [Ram; FRAMES.len()] = FRAMES.map(|frames| {
        let ram = Ram::new(frames);
        ram.use_asids(3);
        if frames > 2000 {
            ram.make_reservations();
        }
        ram
    });
}

fuzz_target!(|data: &[u8]| {
    let mut random = Random::Bytes(data.iter().rev().copied().collect());
    let machine = random.below(FRAMES.len() as u64) as usize;
    MACHINES.with(|machines| {
        let mut pair = Pair::new(&machines[machine]);
        for _ in 0..STEPS {
            if matches!(&random, Random::Bytes(bytes) if bytes.is_empty()) {
                break;
            }
            let (hart, p, op, failing) = ops::step(&mut random);
            pair.step(hart, p, op, failing);
        }
        pair.end();
    });
});
