//! `grade`: what a lab of the course asks for, with points.

use crate::{options::Options, toolchain::Toolchain};
use anyhow::Result;

pub(crate) fn grade(_toolchain: &Toolchain, _options: &Options) -> Result<u8> {
    Ok(1)
}
