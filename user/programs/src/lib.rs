//! What several programs share.
#![no_std]

pub mod cli;
pub mod pattern;
