//! The terminal: line editing on input, output of programs and of the kernel.

use super::uart;
use crate::debug::state;
use crate::mm::{dump, user::UserRange};
use crate::proc::sched;
use crate::sync::{Awaited, SpinGuard, SpinLock, WaitQueue, patiently, rank};
use abi::Errno;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

const CAPACITY: usize = 1024;
/// Programs' bytes go in and out through a buffer of this size on the stack.
const CHUNK: usize = 128;

const BACKSPACE: u8 = 0x08;
const DELETE: u8 = 0x7f;
const fn control(letter: u8) -> u8 {
    letter & 0x1f
}
const END_OF_INPUT: u8 = control(b'D');

/// Input not read yet. The three counts only grow; each byte is at its count modulo the capacity.
struct Input {
    ring: [u8; CAPACITY],
    /// Next byte a program gets.
    read: usize,
    /// End of the last whole line.
    line: usize,
    /// End of the line being edited.
    edit: usize,
    /// There was no room for more: what is typed waits in the serial port.
    held: bool,
}

static INPUT: SpinLock<Input, { rank::DEVICE }> = SpinLock::new(Input {
    ring: [0; CAPACITY],
    read: 0,
    line: 0,
    edit: 0,
    held: false,
});
static LINES: WaitQueue = WaitQueue::new(Awaited::Line);
static OUTPUT: SpinLock<(), { rank::OUTPUT }> = SpinLock::new(());
/// Set by a panic: from then on output asks for no lock.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// From now on output goes out whoever holds the lock; what others print no longer does.
pub fn panicked() {
    // A line that is under way comes to its end.
    core::mem::forget(patiently(|| OUTPUT.try_lock()));
    PANICKED.store(true, Ordering::SeqCst);
}

/// How output waits for the lock: until it is free, for a while, or not at all.
static HASTE: AtomicU8 = AtomicU8::new(NONE);
const NONE: u8 = 0;
const SOME: u8 = 1;
const GREAT: u8 = 2;

/// Prints something that must come out even if the holder of the lock does nothing any more.
pub fn in_a_hurry(print: impl FnOnce()) {
    if PANICKED.load(Ordering::SeqCst) {
        return;
    }
    HASTE.store(SOME, Ordering::Relaxed);
    print();
    HASTE.store(NONE, Ordering::Relaxed);
}

fn lock_output() -> Option<SpinGuard<'static, (), { rank::OUTPUT }>> {
    if PANICKED.load(Ordering::SeqCst) {
        return None;
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
        if sched::current().is_killed() {
            return Err(Errno::Interrupted);
        }
        if PANICKED.load(Ordering::Relaxed) {
            // Where the machine stays on, the panic's message is to remain the last one.
            super::power::stop();
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
    while done < to.len() {
        let mut input = INPUT.lock();
        while input.read == input.line {
            if done > 0 {
                return Ok(done);
            }
            input = LINES.wait(input)?;
        }
        let part = to.part(done, CHUNK);
        let (count, ended) = input.take(buffer.get_mut(..part.len()).unwrap_or_default(), done);
        input.let_more_in();
        drop(input);
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

impl Input {
    fn at(&mut self, count: usize) -> &mut u8 {
        &mut self.ring[count % CAPACITY]
    }

    /// Takes bytes of the first line; true when the read ends with them. An end of input behind
    /// other bytes stays, so that the next read gives 0 bytes.
    fn take(&mut self, to: &mut [u8], before: usize) -> (usize, bool) {
        let mut count = 0;
        while count < to.len() && self.read < self.line {
            let byte = *self.at(self.read);
            if byte == END_OF_INPUT {
                if before + count == 0 {
                    self.read += 1;
                }
                return (count, true);
            }
            self.read += 1;
            if let Some(place) = to.get_mut(count) {
                *place = byte;
            }
            count += 1;
            if byte == b'\n' {
                return (count, true);
            }
        }
        (count, false)
    }

    fn has_room(&self) -> bool {
        self.edit - self.read < CAPACITY
    }

    /// Goes on with the input that had to wait, if there is room again.
    fn let_more_in(&mut self) {
        if self.held && self.has_room() {
            self.held = false;
            uart::hold_input(false);
        }
    }

    fn erase(&mut self) -> bool {
        let any = self.edit > self.line;
        if any {
            self.edit -= 1;
            put_all(b"\x08 \x08");
        }
        any
    }

    /// Adds a typed byte; true when that ends a line.
    fn add(&mut self, byte: u8) -> bool {
        if !self.has_room() {
            return false;
        }
        let byte = if byte == b'\r' { b'\n' } else { byte };
        if byte != END_OF_INPUT {
            put_all(&[byte]);
        }
        *self.at(self.edit) = byte;
        self.edit += 1;
        // A full buffer counts as a line, or nobody could ever read it empty.
        let ends = byte == b'\n' || byte == END_OF_INPUT || self.edit - self.read == CAPACITY;
        if ends {
            self.line = self.edit;
        }
        ends
    }
}

/// True if another byte can be taken; otherwise the serial port is told to keep it until there is
/// room, so that what is typed ahead is not lost. Called by the interrupt handler.
pub fn has_room() -> bool {
    let mut input = INPUT.lock();
    let room = input.has_room();
    if !room {
        input.held = true;
        uart::hold_input(true);
    }
    room
}

/// Handles one typed byte; called by the interrupt handler.
pub fn input(byte: u8) {
    const STATE: u8 = control(b'P');
    const MEMORY: u8 = control(b'T');
    const ERASE_LINE: u8 = control(b'U');
    match byte {
        0 => {}
        STATE => in_a_hurry(state::print),
        MEMORY => in_a_hurry(dump::print),
        ERASE_LINE => {
            let mut input = INPUT.lock();
            while input.erase() {}
        }
        BACKSPACE | DELETE => {
            INPUT.lock().erase();
        }
        _ => {
            if INPUT.lock().add(byte) {
                LINES.wake_all();
            }
        }
    }
}
