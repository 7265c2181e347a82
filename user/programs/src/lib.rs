//! Code shared by several programs.
#![no_std]

pub mod cli;
pub mod pattern;
