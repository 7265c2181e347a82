//! What several programs share.
#![no_std]

pub mod cli;
