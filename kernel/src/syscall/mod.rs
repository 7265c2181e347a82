//! System calls: find the call, take its arguments, do it, say how it went.

mod file;
mod inspect;
mod memory;
mod process;

use crate::proc::Process;
use abi::{Errno, MAXPATH, Sys};

/// A call's arguments, as its registers have them.
pub struct Arguments([u64; 6]);

impl Arguments {
    /// An address or another whole register.
    fn address<const N: usize>(&self) -> u64 {
        const { assert!(N < 6) };
        self.0[N]
    }

    /// A C `int`: the lower half of the register.
    fn int<const N: usize>(&self) -> i32 {
        self.address::<N>() as i32
    }

    /// A length in bytes that C declares as `int`, which the caller extends to the whole register:
    /// negative ones and what no `int` holds are refused.
    fn length<const N: usize>(&self) -> Result<usize, Errno> {
        let length = i32::try_from(self.address::<N>() as i64).map_err(|_| Errno::Invalid)?;
        usize::try_from(length).map_err(|_| Errno::Invalid)
    }
}

/// A path copied out of user memory.
struct Path {
    bytes: [u8; MAXPATH],
    length: usize,
}

impl Path {
    fn read(address: u64) -> Result<Path, Errno> {
        let mut bytes = [0; MAXPATH];
        let length = crate::mm::user::read_string(address, &mut bytes)?.len();
        Ok(Path { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Does the call that the process's registers ask for and puts its result into them. The registers
/// are not borrowed meanwhile: `fork` copies them and `exec` replaces them.
pub fn dispatch(process: &Process) {
    let frame = process.frame();
    frame.pc += 4;
    let (number, arguments) = (frame.call_number(), Arguments(frame.arguments()));
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
    process.frame().set_result(value);
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
        Sys::Errno => process::errno(),
        Sys::Setpgid => process::setpgid(arguments),
        Sys::Getpgid => process::getpgid(arguments),
        Sys::Tcsetpgrp => file::tcsetpgrp(arguments),
        Sys::Tcgetpgrp => file::tcgetpgrp(arguments),
    }
}
