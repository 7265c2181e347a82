//! Processes and pipes.

use crate::memory::Area;
use crate::meter::Meter;
use crate::{END, Operation, operations};
use core::ptr::null;
use ulib::fs::File;
use ulib::io::{Error, Read, Result, Write};
use ulib::{env, process, sys, vec};

pub const OPERATIONS: &[Operation] = operations! {
    "fork", 100, "fork, exit of the child, wait" => |meter| fork(meter, Area::none);
    "exec", 100, "the same with exec of a program that exits at once" => |meter| exec(meter, Area::none);
    "fork-4m", 20, "fork with 4 MiB of touched heap" => |meter| fork(meter, || Area::heap(4 << 20));
    "exec-4m", 20, "exec with 4 MiB of touched heap" => |meter| exec(meter, || Area::heap(4 << 20));
    "fork-16m", 20, "fork with 16 MiB in large pages" => |meter| fork(meter, Area::large);
    "fork-16m-4k", 20, "fork with 16 MiB in pages of 4 KiB" => |meter| fork(meter, Area::small);
    "exec-16m", 20, "exec with 16 MiB in large pages" => |meter| exec(meter, Area::large);
    "exec-16m-4k", 20, "exec with 16 MiB in pages of 4 KiB" => |meter| exec(meter, Area::small);
    "pipe", 500, "a byte to another process and back" => |meter| pipe::<1>(meter);
    "pipe-4k", 200, "4 KiB to another process and back" => |meter| pipe::<4096>(meter);
    "pipe-self", 500, "a byte through a pipe to itself: no context switch" => pipe_self;
};

/// Forks a process that has just written to all of the memory.
fn fork(meter: &mut Meter, memory: fn() -> Result<Area>) -> Result<()> {
    let memory = memory()?;
    meter.rounds(|meter| {
        memory.touch();
        meter.once(fork_and_wait)
    })
}

/// Forks a child that exits at once. Uses the raw calls: writes after a fork cause copies.
pub fn fork_and_wait() -> Result<()> {
    fork_wait_and(|| {})
}

#[inline(always)]
fn fork_wait_and(child: impl FnOnce()) -> Result<()> {
    match sys::fork() {
        -1 => return Err(Error::last()),
        0 => {
            child();
            sys::exit(0);
        }
        _ => {}
    }
    let mut status = 0;
    // SAFETY: `status` is ours to fill.
    match unsafe { sys::wait(&mut status) } {
        -1 => Err(Error::last()),
        _ if status != 0 => Err(Error::Other),
        _ => Ok(()),
    }
}

fn exec(meter: &mut Meter, memory: fn() -> Result<Area>) -> Result<()> {
    let memory = memory()?;
    let program = ulib::Path::new(env::args_bytes().next().unwrap_or_default())?;
    let arguments = [program.as_ptr(), END.as_ptr().cast(), null()];
    meter.rounds(|meter| {
        memory.touch();
        meter.once(|| {
            fork_wait_and(|| {
                sys::exec(program.as_ptr(), arguments.as_ptr());
                sys::exit(1);
            })
        })
    })
}

fn pipe<const N: usize>(meter: &mut Meter) -> Result<()> {
    let (mut there, mut to_child) = process::pipe()?;
    let (mut from_child, mut back) = process::pipe()?;
    let child = match process::fork()? {
        process::Fork::Parent(pid) => {
            drop((there, back));
            pid
        }
        process::Fork::Child => {
            drop((to_child, from_child));
            let mut bytes = vec![0; N];
            while there.read_exact(&mut bytes).is_ok() && back.write_all(&bytes).is_ok() {}
            process::exit(0)
        }
    };
    let mut bytes = vec![0; N];
    let measured = meter.each(|| round_trip(&mut to_child, &mut from_child, &mut bytes));
    drop(to_child);
    process::wait_for(child)?;
    measured
}

fn pipe_self(meter: &mut Meter) -> Result<()> {
    let (mut from, mut to) = process::pipe()?;
    meter.each(|| round_trip(&mut to, &mut from, &mut [0]))
}

fn round_trip(to: &mut File, from: &mut File, bytes: &mut [u8]) -> Result<()> {
    to.write_all(bytes)?;
    from.read_exact(bytes)
}
