//! What several programs share.
#![no_std]

pub mod cli;
pub mod harness;
pub mod pattern;
pub mod random;
