#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]

mod descriptors;
mod ring;

pub use descriptors::{Descriptors, Open};
pub use ring::Ring;
