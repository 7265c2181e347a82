//! System calls: dispatch, arguments, results.

mod file;
mod inspect;
mod memory;
mod process;

use crate::arch::trap::TrapFrame;
use crate::proc::Process;
use abi::{Arguments, Errno, Sys};

/// Executes the system call in the trap frame and stores its result there: on an error -1, with the error number
/// for the call `errno`.
pub fn dispatch(process: &Process, frame: &TrapFrame) {
    frame.skip_ecall();
    let (number, arguments) = (frame.syscall_number(), Arguments::new(frame.arguments()));
    let result = match Sys::from_number(number) {
        Some(call) => perform(call, &arguments),
        None => {
            let (pid, name) = (process.pid, process.name());
            crate::println!("{pid} {name}: unknown sys call {number}");
            Err(Errno::NoSuchCall)
        }
    };
    let value = result.unwrap_or_else(|error| {
        process.set_errno(error);
        u64::MAX
    });
    frame.set_result(value);
}

fn perform(call: Sys, arguments: &Arguments) -> Result<u64, Errno> {
    match call {
        Sys::Fork => process::fork(),
        Sys::Exit => process::exit(arguments),
        Sys::Wait => process::wait(arguments),
        Sys::Kill => process::kill(arguments),
        Sys::Exec => process::exec(arguments),
        Sys::Getpid => process::getpid(),
        Sys::Sleep => process::sleep(arguments),
        Sys::Uptime => process::uptime(),
        Sys::Shutdown => process::shutdown(arguments),
        Sys::Pipe => file::pipe(arguments),
        Sys::Read => file::read(arguments),
        Sys::Write => file::write(arguments),
        Sys::Fstat => file::fstat(arguments),
        Sys::Chdir => file::chdir(arguments),
        Sys::Dup => file::dup(arguments),
        Sys::Open => file::open(arguments),
        Sys::Mknod => file::mknod(arguments),
        Sys::Unlink => file::unlink(arguments),
        Sys::Link => file::link(arguments),
        Sys::Mkdir => file::mkdir(arguments),
        Sys::Close => file::close(arguments),
        Sys::Sbrk => memory::sbrk(arguments),
        Sys::Kmalloc => memory::kmalloc(arguments),
        Sys::Kfree => memory::kfree(arguments),
        Sys::Mmap => memory::mmap(arguments),
        Sys::Munmap => memory::munmap(arguments),
        Sys::Mprotect => memory::mprotect(arguments),
        Sys::Madvise => memory::madvise(arguments),
        Sys::Mremap => memory::mremap(arguments),
        Sys::Mincore => memory::mincore(arguments),
        Sys::Meminfo => memory::meminfo(arguments),
        Sys::Procinfo => inspect::procinfo(arguments),
        Sys::Regions => inspect::regions(arguments),
        Sys::Pagetable => inspect::pagetable(arguments),
        Sys::Fsync => file::fsync(arguments),
        Sys::Sync => file::sync(),
        Sys::Errno => process::errno(),
        Sys::Setpgid => process::setpgid(arguments),
        Sys::Getpgid => process::getpgid(arguments),
        Sys::Tcsetpgrp => file::tcsetpgrp(arguments),
        Sys::Tcgetpgrp => file::tcgetpgrp(arguments),
    }
}
