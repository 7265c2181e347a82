//! System calls on files.

use crate::fs::{self, File, FileTable, InodeRef};
use crate::mm::user::{self, UserRange};
use crate::proc::{self, group};
use abi::{Arguments, Errno, FileType, MAXPATH, NO_GROUP, OpenFlags};
use fallible::KArc;
use zerocopy::IntoBytes;

fn file(descriptor: i32) -> Result<KArc<File>, Errno> {
    proc::current().resources.lock().files.get(descriptor)
}

fn directory() -> Result<InodeRef, Errno> {
    proc::current()
        .resources
        .lock()
        .directory
        .clone()
        .ok_or(Errno::NotFound)
}

/// Changes the file descriptor table, and updates the process's resource pages.
fn with_table<T>(act: impl FnOnce(&mut FileTable) -> T) -> T {
    let process = proc::current();
    let mut resources = process.resources.lock();
    let result = act(&mut resources.files);
    process.set_resource_pages(resources.pages());
    result
}

fn add(file: KArc<File>) -> Result<u64, Errno> {
    // If there is no memory for a descriptor, this drops the file after unlocking: that may wait for the disk.
    let kept = file.clone();
    let descriptor = with_table(|files| files.add(file));
    drop(kept);
    Ok(descriptor? as u64)
}

pub fn read(arguments: &Arguments) -> Result<u64, Errno> {
    let file = file(arguments.int::<0>())?;
    let to = UserRange::new(arguments.address::<1>(), arguments.length::<2>()?)?;
    Ok(file.read(to)? as u64)
}

pub fn write(arguments: &Arguments) -> Result<u64, Errno> {
    let file = file(arguments.int::<0>())?;
    let from = UserRange::new(arguments.address::<1>(), arguments.length::<2>()?)?;
    Ok(file.write(from)? as u64)
}

pub fn fstat(arguments: &Arguments) -> Result<u64, Errno> {
    let stat = file(arguments.int::<0>())?.stat()?;
    user::write_value(arguments.address::<1>(), &stat)?;
    Ok(0)
}

pub fn fsync(arguments: &Arguments) -> Result<u64, Errno> {
    file(arguments.int::<0>())?.sync()?;
    Ok(0)
}

pub fn sync() -> Result<u64, Errno> {
    fs::sync()?;
    Ok(0)
}

pub fn dup(arguments: &Arguments) -> Result<u64, Errno> {
    add(file(arguments.int::<0>())?)
}

pub fn close(arguments: &Arguments) -> Result<u64, Errno> {
    let removed = with_table(|files| files.remove(arguments.int::<0>()))?;
    // After unlocking: dropping the last reference may wait for the disk.
    drop(removed);
    Ok(0)
}

pub fn pipe(arguments: &Arguments) -> Result<u64, Errno> {
    let (read, write) = File::pipe()?;
    let first = with_table(|files| files.add(read))?;
    let second = with_table(|files| files.add(write));
    let done = second.and_then(|second| {
        let both = [first, second];
        let stored = UserRange::new(arguments.address::<0>(), size_of_val(&both))
            .and_then(|to| to.write(both.as_bytes()));
        stored.inspect_err(|_| close_quietly(second))
    });
    done.inspect_err(|_| close_quietly(first)).map(|()| 0)
}

fn close_quietly(descriptor: i32) {
    let removed = with_table(|files| files.remove(descriptor));
    drop(removed);
}

pub fn open(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    let flags = OpenFlags::from_bits_retain(arguments.int::<1>() as u32);
    let start = directory()?;
    let inode = if flags.contains(OpenFlags::CREATE) {
        fs::create(&start, path, FileType::File, (0, 0), true)?
    } else {
        fs::find(&start, path)?
    };
    add(File::open(inode, flags)?)
}

pub fn mknod(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    let numbers = (arguments.int::<1>() as i16, arguments.int::<2>() as i16);
    fs::create(&directory()?, path, FileType::Device, numbers, false)?;
    Ok(0)
}

pub fn mkdir(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    fs::create(&directory()?, path, FileType::Directory, (0, 0), false)?;
    Ok(0)
}

pub fn unlink(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    fs::unlink(&directory()?, path)?;
    Ok(0)
}

pub fn link(arguments: &Arguments) -> Result<u64, Errno> {
    let (mut old, mut new) = ([0; MAXPATH], [0; MAXPATH]);
    let old = user::read_string(arguments.address::<0>(), &mut old)?;
    let new = user::read_string(arguments.address::<1>(), &mut new)?;
    fs::link(&directory()?, old, new)?;
    Ok(0)
}

pub fn chdir(arguments: &Arguments) -> Result<u64, Errno> {
    let mut path = [0; MAXPATH];
    let path = user::read_string(arguments.address::<0>(), &mut path)?;
    let inode = fs::find(&directory()?, path)?;
    if inode.kind() != FileType::Directory {
        return Err(Errno::NotDirectory);
    }
    let left = proc::current().resources.lock().directory.replace(inode);
    drop(left);
    Ok(0)
}

pub fn tcsetpgrp(arguments: &Arguments) -> Result<u64, Errno> {
    let terminal = file(arguments.int::<0>())?.terminal()?;
    let group = arguments.int::<1>();
    if group != NO_GROUP && !group::exists(group) {
        return Err(Errno::NotPermitted);
    }
    terminal.set_foreground(group);
    Ok(0)
}

pub fn tcgetpgrp(arguments: &Arguments) -> Result<u64, Errno> {
    Ok(file(arguments.int::<0>())?.terminal()?.foreground() as u64)
}
