#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(test)]
extern crate std;

mod queue;
mod run_state;

#[cfg(test)]
mod interleaved;

pub use queue::{Link, Queue, Queued};
pub use run_state::{RunState, State, SwitchedOut, Woken};
