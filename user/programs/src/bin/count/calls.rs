//! Calls that do little: the cost of kernel entry and exit.

use crate::meter::Meter;
use crate::{Operation, operations};
use ulib::io::{Error, Result};
use ulib::{mem, process, sys};

pub const OPERATIONS: &[Operation] = operations! {
    "getpid", 1000, "getpid()" => |meter| meter.each(|| Ok(process::id()));
    "close", 1000, "close(-1), which fails" => |meter| meter.each(|| Ok(sys::close(-1)));
    "sbrk", 1000, "sbrk(0)" => |meter| meter.each(|| mem::grow(0));
    "kmalloc", 1000, "kmalloc(64) and kfree of it" => kmalloc;
};

fn kmalloc(meter: &mut Meter) -> Result<()> {
    meter.each(|| match sys::kmalloc(64) {
        -1 | 0 => Err(Error::last()),
        object => Ok(sys::kfree(object)),
    })
}
