//! System calls on processes.

use crate::arch::timer;
use crate::dev::power;
use crate::fs;
use crate::mm::user;
use crate::proc::{current, exec, exit, fork, group};
use crate::sched;
use abi::{Arguments, Errno, MAXPATH, TICKS_PER_SECOND};

pub fn fork() -> Result<u64, Errno> {
    Ok(fork::fork()? as u64)
}

pub fn exit(arguments: &Arguments) -> ! {
    exit::exit(arguments.int::<0>())
}

pub fn wait(arguments: &Arguments) -> Result<u64, Errno> {
    let address = arguments.address::<0>();
    let pid = exit::wait(|status| match address {
        0 => Ok(()),
        address => user::write_value(address, &status),
    })?;
    Ok(pid as u64)
}

pub fn kill(arguments: &Arguments) -> Result<u64, Errno> {
    exit::kill(arguments.int::<0>()).map(|()| 0)
}

pub fn getpid() -> Result<u64, Errno> {
    Ok(current().pid as u64)
}

pub fn errno() -> Result<u64, Errno> {
    Ok(current().errno())
}

pub fn setpgid(arguments: &Arguments) -> Result<u64, Errno> {
    group::set(arguments.int::<0>(), arguments.int::<1>()).map(|()| 0)
}

pub fn getpgid(arguments: &Arguments) -> Result<u64, Errno> {
    Ok(group::of(arguments.int::<0>())? as u64)
}

pub fn exec(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    let vector = arguments.address::<1>();
    let mut strings = exec::Arguments::try_new()?;
    for i in 0.. {
        let place = vector.checked_add(8 * i).ok_or(Errno::BadAddress)?;
        let string = user::read_value::<u64>(place)?;
        if string == 0 {
            break;
        }
        strings.push_with(|room| Ok(user::read_string(string, room)?.len()))?;
    }
    Ok(exec::exec(path, &strings)? as u64)
}

pub fn sleep(arguments: &Arguments) -> Result<u64, Errno> {
    let ticks = u64::try_from(arguments.int::<0>()).unwrap_or(0);
    let counts = ticks * (timer::frequency() / TICKS_PER_SECOND);
    sched::sleep_until(timer::now() + counts)?;
    Ok(0)
}

pub fn uptime() -> Result<u64, Errno> {
    Ok(timer::now() / (timer::frequency() / TICKS_PER_SECOND))
}

/// Writes all changes to the disk, and powers off. A status above 255 or below 0 becomes 255.
pub fn shutdown(arguments: &Arguments) -> ! {
    let _locked = fs::shut_down();
    power::power_off(u8::try_from(arguments.int::<0>()).unwrap_or(u8::MAX))
}
