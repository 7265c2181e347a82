//! The operations of `grind`.

use abi::{MemInfoFlags, PAGE_SIZE, RegionInfo, TableEntry};
use harness::random::Random;
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::mem::{self, Mapping};
use ulib::process::{self, Command};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{env, format, inspect, sys, vec};

/// The directory for all files.
pub(crate) const HOME: &str = "/grind.d";
/// Number of names, in `HOME` and its subdirectories.
const NAMES: usize = 6;
/// Most open files of one process.
const FILES: usize = 12;

/// A worker process.
pub(crate) struct Worker {
    random: Random,
    files: Vec<File>,
    objects: Vec<isize>,
}

/// The failure of a round, if any.
type Outcome = Result<(), String>;

impl Worker {
    pub(crate) fn new(random: Random) -> Worker {
        let _ = env::set_current_dir(HOME);
        Worker {
            random,
            files: Vec::new(),
            objects: Vec::new(),
        }
    }

    /// Runs a random operation.
    pub(crate) fn act(&mut self) -> Outcome {
        match self.random.below(21) {
            0 | 1 => self.open(),
            2 => self.write(),
            3 => self.read(),
            4 => self.close(),
            5 => self.unlink(),
            6 => self.link(),
            7 => drop(fs::create_dir(self.name())),
            8 => self.visit(),
            9 => self.list(),
            10 => self.duplicate(),
            11 => return self.pipe(),
            12 => return self.fork(),
            13 => return self.orphan(),
            14 => return self.kill(),
            15 => return self.fault(),
            16 => return self.heap(),
            17 => return self.map(),
            18 => return self.echo(),
            19 => return self.look(),
            _ => self.kernel_objects(),
        }
        Ok(())
    }

    /// A random name, existing or not, perhaps in a subdirectory.
    fn name(&mut self) -> String {
        let first = self.random.below(NAMES);
        match self.random.below(3) {
            0 => format!("n{first}/n{}", self.random.below(NAMES)),
            1 => format!("./n{first}"),
            _ => format!("n{first}"),
        }
    }

    fn open(&mut self) {
        let name = self.name();
        let options = File::options()
            .read(self.random.below(2) == 0)
            .write(self.random.below(2) == 0)
            .create(self.random.below(2) == 0)
            .truncate(self.random.below(4) == 0);
        if let Ok(file) = options.open(name) {
            self.keep(file);
        }
    }

    fn keep(&mut self, file: File) {
        if self.files.len() < FILES {
            self.files.push(file);
        } else {
            let at = self.random.below(FILES);
            self.files[at] = file;
        }
    }

    fn file(&mut self) -> Option<&mut File> {
        let at = self.random.below(self.files.len());
        self.files.get_mut(at)
    }

    fn write(&mut self) {
        let bytes = vec![b'g'; self.random.below(3 * PAGE_SIZE)];
        if let Some(file) = self.file() {
            let _ = file.write(&bytes);
        }
    }

    fn read(&mut self) {
        let mut bytes = vec![0; self.random.below(3 * PAGE_SIZE)];
        if let Some(file) = self.file() {
            let _ = file.read(&mut bytes);
        }
    }

    fn close(&mut self) {
        if !self.files.is_empty() {
            let at = self.random.below(self.files.len());
            self.files.swap_remove(at);
        }
    }

    fn unlink(&mut self) {
        let _ = fs::remove_file(self.name());
    }

    fn link(&mut self) {
        let (old, new) = (self.name(), self.name());
        let _ = fs::hard_link(old, new);
    }

    /// Changes into a directory, which another process may remove meanwhile, and back.
    fn visit(&mut self) {
        if env::set_current_dir(self.name()).is_ok() {
            let _ = fs::write("here", b"here");
            let _ = fs::remove_file("here");
            let _ = env::set_current_dir("..");
            let _ = env::set_current_dir(HOME);
        }
    }

    fn list(&mut self) {
        if let Ok(entries) = fs::read_dir(self.name()) {
            entries.for_each(drop);
        }
    }

    fn duplicate(&mut self) {
        if let Some(Ok(copy)) = self.file().map(|file| file.try_clone()) {
            self.keep(copy);
        }
    }

    /// Sends bytes from a child through a pipe.
    fn pipe(&mut self) -> Outcome {
        let Ok((mut read, mut write)) = process::pipe() else {
            return Ok(());
        };
        let length = self.random.below(2 * PAGE_SIZE);
        let seed = self.random.number();
        let Ok(child) = process::fork_with(|| {
            let mut random = Random::new(seed);
            let bytes: Vec<u8> = (0..length).map(|_| random.number() as u8).collect();
            i32::from(write.write_all(&bytes).is_err())
        }) else {
            return Ok(());
        };
        drop(write);
        let mut seen = Vec::new();
        read.read_to_end(&mut seen)
            .map_err(|error| format!("pipe: {error}"))?;
        let mut random = Random::new(seed);
        if seen.len() != length || seen.iter().any(|&byte| byte != random.number() as u8) {
            return Err(format!("a pipe lost or changed some of {length} bytes"));
        }
        ended(child, 0)
    }

    /// Forks children that fork.
    fn fork(&mut self) -> Outcome {
        let status = self.random.below(256) as i32;
        let Ok(child) = process::fork_with(|| {
            if let Ok(inner) = process::fork_with(|| 3) {
                return if ended(inner, 3).is_ok() { status } else { -2 };
            }
            status
        }) else {
            return Ok(());
        };
        ended(child, status)
    }

    /// Orphans a grandchild.
    fn orphan(&mut self) -> Outcome {
        let started = process::fork_with(|| {
            let _ = process::fork_with(|| 0);
            0
        });
        started.map_or(Ok(()), |child| ended(child, 0))
    }

    /// Kills a running or blocked child.
    fn kill(&mut self) -> Outcome {
        let waits = self.random.below(2) == 0;
        let Ok((mut read, _write)) = process::pipe() else {
            return Ok(());
        };
        let Ok(child) = process::fork_with(|| {
            loop {
                if waits {
                    let _ = read.read(&mut [0]);
                }
                core::hint::spin_loop();
            }
        }) else {
            return Ok(());
        };
        process::kill(child).map_err(|_| String::from("a living child could not be killed"))?;
        ended(child, abi::KILLED)
    }

    /// A child stores to an invalid address.
    fn fault(&mut self) -> Outcome {
        // Rarely: each fault prints to the console.
        if self.random.below(50) != 0 {
            return Ok(());
        }
        let started = process::fork_with(|| {
            // SAFETY: null is no buffer, and the kernel says so.
            let refused = unsafe { sys::read(-1, core::ptr::null_mut(), 1) } == -1;
            harness::peek(abi::MAXVA as usize);
            i32::from(!refused)
        });
        started.map_or(Ok(()), |child| ended(child, abi::KILLED))
    }

    /// Moves the break of a child up and down.
    fn heap(&mut self) -> Outcome {
        let pages = 1 + self.random.below(64);
        let Ok(child) = process::fork_with(|| {
            let bytes = pages * PAGE_SIZE;
            let Ok(base) = mem::grow(bytes) else { return 0 };
            // SAFETY: the kernel just gave these bytes, zeroed.
            let fresh = unsafe { core::slice::from_raw_parts_mut(base, bytes) };
            if fresh.iter().step_by(PAGE_SIZE).any(|&byte| byte != 0) {
                return 1;
            }
            fresh
                .iter_mut()
                .step_by(PAGE_SIZE)
                .for_each(|byte| *byte = 7);
            // SAFETY: nothing was allocated since, and `fresh` is not used below.
            i32::from(unsafe { mem::sbrk(-(bytes as isize)) }.is_err())
        }) else {
            return Ok(());
        };
        ended(child, 0)
    }

    fn map(&mut self) -> Outcome {
        let length = 1 + self.random.below(32 * PAGE_SIZE);
        let Ok(mut mapping) = Mapping::anonymous(length) else {
            return Ok(());
        };
        if mapping.iter().step_by(PAGE_SIZE).any(|&byte| byte != 0) {
            return Err(String::from("a new mapping was not zero"));
        }
        mapping
            .iter_mut()
            .step_by(PAGE_SIZE)
            .for_each(|byte| *byte = 1);
        let Ok(child) = process::fork_with(|| {
            mapping.iter_mut().for_each(|byte| *byte = 2);
            0
        }) else {
            return Ok(());
        };
        ended(child, 0)?;
        if mapping.iter().step_by(PAGE_SIZE).any(|&byte| byte != 1) {
            return Err(String::from(
                "a child's write was seen in a private mapping",
            ));
        }
        Ok(())
    }

    fn echo(&mut self) -> Outcome {
        let word = format!("{:x}", self.random.number());
        match Command::new("/echo").arg(&word).output() {
            Ok((seen, status)) if !status.success() || seen.trim_ascii_end() != word.as_bytes() => {
                Err(format!(
                    "echo {word} ended with {status} and printed {}",
                    seen.escape_ascii()
                ))
            }
            _ => Ok(()),
        }
    }

    /// Queries a random process, perhaps one that starts or exits meanwhile.
    fn look(&mut self) -> Outcome {
        let own = sys::getpid() as i32;
        let pid = own - 8 + self.random.below(16) as i32;
        let place = self.random.number() >> self.random.below(64);
        let mut regions = [RegionInfo::default(); 5];
        let mut entries = [TableEntry::default(); 20];
        let size = size_of::<RegionInfo>();
        // SAFETY: the buffers are ours.
        let (count, _) = unsafe {
            (
                sys::regions(pid, place as usize, regions.as_mut_ptr(), 5, size),
                sys::pagetable(pid, place as usize, entries.as_mut_ptr(), 20),
            )
        };
        let listed = regions.get(..count.max(0) as usize).unwrap_or_default();
        let mut end = place;
        for region in listed {
            if region.end <= end {
                return Err(format!("regions of {pid} after {place:#x}: {listed:x?}"));
            }
            end = region.end;
        }
        match inspect::processes().find(|info| info.pid == own) {
            Some(info) if info.resident > info.size || info.shared > info.resident => {
                Err(format!("what is known of a process: {info:?}"))
            }
            Some(_) => Ok(()),
            None => Err(format!("process {own} is not in the list")),
        }
    }

    fn kernel_objects(&mut self) {
        let size = self.random.below(abi::KMALLOC_MAX) + 1;
        match sys::kmalloc(size) {
            -1 | 0 => {}
            object => self.objects.push(object),
        }
        if self.objects.len() > 50 {
            self.random.shuffle(&mut self.objects);
            for object in self.objects.drain(25..) {
                sys::kfree(object);
            }
        }
        let _ = mem::info(MemInfoFlags::empty());
    }
}

/// Checks a child's exit status.
fn ended(child: i32, expected: i32) -> Outcome {
    let seen = process::wait_for(child).map_err(|_| format!("child {child} is lost"))?;
    if seen.code() == expected {
        Ok(())
    } else {
        Err(format!(
            "a child was to end with status {expected}, saw {seen}"
        ))
    }
}

/// Removes leftover files.
pub(crate) fn clean() {
    for first in 0..NAMES {
        for second in 0..NAMES {
            let _ = fs::remove_file(format!("{HOME}/n{first}/n{second}/here"));
            let _ = fs::remove_file(format!("{HOME}/n{first}/n{second}"));
        }
        let _ = fs::remove_file(format!("{HOME}/n{first}/here"));
        let _ = fs::remove_file(format!("{HOME}/n{first}"));
    }
    let _ = fs::remove_file(HOME);
}
