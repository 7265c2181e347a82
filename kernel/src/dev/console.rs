//! The terminal: line editing on input, output of programs and of the kernel.

use super::{power, uart};
use crate::arch::hart;
use crate::mm::user::UserRange;
use crate::platform::Platform;
use crate::sched::{self, Awaited, WaitQueue};
use crate::sync::{Once, SpinGuard, SpinLock, patiently, rank};
use abi::{Errno, FIRST_GROUP};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};
use line::{Input, control};

const CAPACITY: usize = 1024;
/// Programs' bytes go in and out through a buffer of this size on the stack.
const CHUNK: usize = 128;

/// What others do for the terminal.
pub struct Hooks {
    /// Ends the job with this process group; false if there is none. Called by the interrupt handler.
    pub interrupt: fn(i32) -> bool,
    /// Whether the running process reads commands, and is none of this group, which is in the
    /// foreground.
    pub is_shell: fn(i32) -> bool,
    /// Prints the state of memory.
    pub dump_memory: fn(),
    /// Prints what harts and processes do.
    pub dump_state: fn(),
}

static HOOKS: Once<Hooks> = Once::new();

/// Takes the serial port into use, and these for the keys that are none of a line's.
pub fn init(platform: &Platform, hooks: Hooks) {
    HOOKS.set(hooks);
    uart::init(platform, interrupt_of_port);
}

/// Input not read yet.
struct Typed {
    input: Input<CAPACITY>,
    /// There was no room for more: what is typed waits in the serial port.
    held: bool,
}

static TYPED: SpinLock<Typed, { rank::DEVICE }> = SpinLock::new(Typed {
    input: Input::new(),
    held: false,
});
/// The process group that Ctrl-C ends.
static FOREGROUND: AtomicI32 = AtomicI32::new(FIRST_GROUP);
static LINES: WaitQueue = WaitQueue::new(Awaited::Line);
static OUTPUT: SpinLock<(), { rank::OUTPUT }> = SpinLock::new(());
/// The index of the hart that panicked. From then on it asks for no lock, and another hart that has
/// something to print stops instead.
static PANICKED: AtomicUsize = AtomicUsize::new(NOBODY);
const NOBODY: usize = usize::MAX;

/// From now on only this hart's output goes out, whoever holds the lock.
pub fn panicked() {
    // A line that is under way comes to its end.
    core::mem::forget(patiently(|| OUTPUT.try_lock()));
    PANICKED.store(hart::this().index(), Ordering::SeqCst);
}

/// How output waits for the lock: until it is free, for a while, or not at all.
static HASTE: AtomicU8 = AtomicU8::new(NONE);
const NONE: u8 = 0;
const SOME: u8 = 1;
const GREAT: u8 = 2;

/// Prints something that must come out even if the holder of the lock does nothing any more.
pub fn in_a_hurry(print: impl FnOnce()) {
    if PANICKED.load(Ordering::SeqCst) != NOBODY {
        return;
    }
    HASTE.store(SOME, Ordering::Relaxed);
    print();
    HASTE.store(NONE, Ordering::Relaxed);
}

/// The lock of the output, or nothing for who must not wait for it.
fn lock_output() -> Option<SpinGuard<'static, (), { rank::OUTPUT }>> {
    match PANICKED.load(Ordering::SeqCst) {
        NOBODY => {}
        hart if hart == hart::this().index() => return None,
        // The panic's message is to come out in one piece and to be the last one.
        _ => power::stop(),
    }
    match HASTE.load(Ordering::Relaxed) {
        NONE => Some(OUTPUT.lock()),
        SOME => {
            let guard = patiently(|| OUTPUT.try_lock());
            if guard.is_none() {
                HASTE.store(GREAT, Ordering::Relaxed);
            }
            guard
        }
        _ => OUTPUT.try_lock(),
    }
}

fn put_all(bytes: &[u8]) {
    let _guard = lock_output();
    put_locked(bytes);
}

fn put_locked(bytes: &[u8]) {
    for &byte in bytes {
        if byte == b'\n' {
            uart::put(b'\r');
        }
        uart::put(byte);
    }
}

/// The kernel's own output, a line at a time so that lines of several harts do not mix.
struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            if self.length == self.bytes.len() {
                self.flush();
            }
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

impl Line {
    fn flush(&mut self) {
        put_all(self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

/// Prints for the kernel; `print!` and `println!` call it.
pub fn print(arguments: fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; 256],
        length: 0,
    };
    let _ = line.write_fmt(arguments);
    line.flush();
}

/// Prints without a newline.
#[macro_export]
macro_rules! print {
    ($($part:tt)*) => { $crate::dev::console::print(format_args!($($part)*)) };
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($part:tt)*) => {
        $crate::dev::console::print(format_args!("{}\n", format_args!($($part)*)))
    };
}

/// Writes a program's bytes.
pub fn write(from: UserRange) -> Result<usize, Errno> {
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    while done < from.len() {
        if sched::current().is_interrupted() {
            return Err(Errno::Interrupted);
        }
        let part = from.part(done, CHUNK);
        let bytes = buffer.get_mut(..part.len()).ok_or(Errno::Invalid)?;
        match part.read(bytes) {
            Ok(()) => put_all(bytes),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        done += part.len();
    }
    Ok(done)
}

/// Reads at most one line for a program; 0 bytes mean the end of the input.
pub fn read(to: UserRange) -> Result<usize, Errno> {
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    let by_shell = (HOOKS.get().is_shell)(foreground());
    while done < to.len() {
        let mut typed = TYPED.lock();
        while !typed.input.has_line() {
            if done > 0 {
                return Ok(done);
            }
            typed = LINES.wait(typed)?;
        }
        if by_shell {
            typed.input.remember();
        }
        let part = to.part(done, CHUNK);
        let piece = buffer.get_mut(..part.len()).unwrap_or_default();
        let (count, ended) = typed.input.take(piece, done);
        typed.let_more_in();
        drop(typed);
        match part.write(buffer.get(..count).unwrap_or_default()) {
            Ok(()) => {}
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        done += count;
        if ended {
            break;
        }
    }
    Ok(done)
}

/// The process group that Ctrl-C ends.
pub fn foreground() -> i32 {
    FOREGROUND.load(Ordering::Relaxed)
}

/// Has Ctrl-C end another one.
pub fn set_foreground(group: i32) {
    FOREGROUND.store(group, Ordering::Relaxed);
}

impl Typed {
    /// Goes on with the input that had to wait, if there is room again.
    fn let_more_in(&mut self) {
        if self.held && self.input.has_room() {
            self.held = false;
            uart::hold_input(false);
        }
    }
}

/// True if another byte can be taken; otherwise the serial port is told to keep it until there is
/// room, so that what is typed ahead is not lost.
fn has_room() -> bool {
    let mut typed = TYPED.lock();
    let room = typed.input.has_room();
    if !room {
        typed.held = true;
        uart::hold_input(true);
    }
    room
}

fn interrupt_of_port() {
    while let Some(byte) = uart::get(has_room) {
        handle(byte);
    }
}

/// Handles one typed byte.
fn handle(byte: u8) {
    const INTERRUPT: u8 = control(b'C');
    const STATE: u8 = control(b'P');
    const MEMORY: u8 = control(b'T');
    match byte {
        0 => {}
        INTERRUPT => interrupt(),
        STATE => in_a_hurry(HOOKS.get().dump_state),
        MEMORY => in_a_hurry(HOOKS.get().dump_memory),
        _ => add(byte),
    }
}

fn add(byte: u8) {
    let mut typed = TYPED.lock();
    let output = lock_output();
    let ends = typed.input.add(byte, &mut put_locked);
    drop(output);
    drop(typed);
    if ends {
        LINES.wake_all();
    }
}

/// Drops what was typed, and ends what runs in the foreground.
fn interrupt() {
    let mut typed = TYPED.lock();
    let output = lock_output();
    typed.input.abandon(&mut put_locked);
    drop(output);
    drop(typed);
    let ended = (HOOKS.get().interrupt)(foreground());
    TYPED.lock().input.forget(ended);
    LINES.wake_all();
}
