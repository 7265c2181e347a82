//! The console: the terminal's line discipline, and output of programs and of the kernel.

use super::{power, uart};
use crate::arch::hart;
use crate::mm::user::UserRange;
use crate::platform::Platform;
use crate::sched::{self, WaitQueue, Wchan};
use crate::sync::{Once, SpinGuard, SpinLock, poll_timeout, rank};
use abi::{Errno, FIRST_GROUP};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicU8, AtomicUsize, Ordering};
use line::{Input, control};

const CAPACITY: usize = 1024;
/// Bytes of the stack buffer for copies from and to user memory.
const CHUNK: usize = 128;

/// Functions of higher floors that the console calls.
pub struct Hooks {
    /// Kills the job with this process group; returns false if there is none. Called by the interrupt handler.
    pub interrupt: fn(i32) -> bool,
    /// Whether the running process is a shell: it is not in this group, the foreground one.
    pub is_shell: fn(i32) -> bool,
    /// Prints the state of memory (Ctrl-T).
    pub dump_memory: fn(),
    /// Prints the state of harts and processes (Ctrl-P).
    pub dump_state: fn(),
}

static HOOKS: Once<Hooks> = Once::new();

/// Initializes the serial port; sets the hooks.
pub fn init(platform: &Platform, hooks: Hooks) {
    HOOKS.set(hooks);
    uart::init(platform, uart_interrupt);
}

/// Input that is not read yet.
struct Tty {
    input: Input<CAPACITY>,
    /// The buffer was full: receive interrupts are off, and further input waits in the serial port.
    throttled: bool,
}

static TTY: SpinLock<Tty, { rank::DEVICE }> = SpinLock::new(Tty {
    input: Input::new(),
    throttled: false,
});
/// The foreground process group, which Ctrl-C kills.
static FOREGROUND: AtomicI32 = AtomicI32::new(FIRST_GROUP);
static LINES: WaitQueue = WaitQueue::new(Wchan::Line);
static OUTPUT: SpinLock<(), { rank::OUTPUT }> = SpinLock::new(());
/// Index of the hart that panicked. From then on it prints without the lock, and any other hart that prints
/// halts.
static PANIC_HART: AtomicUsize = AtomicUsize::new(NO_HART);
const NO_HART: usize = usize::MAX;

/// From now on this hart prints without the lock, and others do not print.
pub fn enter_panic() {
    // Lets a line that another hart is printing end.
    core::mem::forget(poll_timeout(|| OUTPUT.try_lock()));
    PANIC_HART.store(hart::this().index(), Ordering::SeqCst);
}

/// How output acquires the lock: it waits, waits with a timeout, or only tries.
static LOCK_MODE: AtomicU8 = AtomicU8::new(WAIT);
const WAIT: u8 = 0;
const WAIT_TIMEOUT: u8 = 1;
const TRY: u8 = 2;

/// Calls `print` such that it makes progress even if the output lock's holder is stuck, as Linux's
/// `bust_spinlocks`.
pub fn bust_spinlocks(print: impl FnOnce()) {
    if PANIC_HART.load(Ordering::SeqCst) != NO_HART {
        return;
    }
    LOCK_MODE.store(WAIT_TIMEOUT, Ordering::Relaxed);
    print();
    LOCK_MODE.store(WAIT, Ordering::Relaxed);
}

/// Acquires the output lock; `None` if the caller may print without it.
fn lock_output() -> Option<SpinGuard<'static, (), { rank::OUTPUT }>> {
    match PANIC_HART.load(Ordering::SeqCst) {
        NO_HART => {}
        hart if hart == hart::this().index() => return None,
        // The panic message must be in one piece and the last output.
        _ => power::halt(),
    }
    match LOCK_MODE.load(Ordering::Relaxed) {
        WAIT => Some(OUTPUT.lock()),
        WAIT_TIMEOUT => {
            let guard = poll_timeout(|| OUTPUT.try_lock());
            if guard.is_none() {
                LOCK_MODE.store(TRY, Ordering::Relaxed);
            }
            guard
        }
        _ => OUTPUT.try_lock(),
    }
}

fn write_bytes(bytes: &[u8]) {
    let _guard = lock_output();
    write_bytes_locked(bytes);
}

fn write_bytes_locked(bytes: &[u8]) {
    for &byte in bytes {
        if byte == b'\n' {
            uart::put(b'\r');
        }
        uart::put(byte);
    }
}

/// A buffer for the kernel's output, so that lines of several harts do not mix.
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
        write_bytes(self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

/// Implements `print!` and `println!`.
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

/// Writes bytes of the running process; returns their number.
///
/// # Errors
/// `Interrupted` if the process is killed; `BadAddress` if not even the first bytes can be read.
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
            Ok(()) => write_bytes(bytes),
            Err(error) if done == 0 => return Err(error),
            Err(_) => break,
        }
        done += part.len();
    }
    Ok(done)
}

/// Reads at most one line into memory of the running process; returns the number of bytes, 0 at the end of
/// input. Sleeps until there is a line.
///
/// # Errors
/// `Interrupted` if the process is killed; `BadAddress` if not even the first bytes can be written.
pub fn read(to: UserRange) -> Result<usize, Errno> {
    let mut buffer = [0; CHUNK];
    let mut done = 0;
    let by_shell = (HOOKS.get().is_shell)(foreground());
    while done < to.len() {
        let mut tty = TTY.lock();
        while !tty.input.has_line() {
            if done > 0 {
                return Ok(done);
            }
            tty = LINES.wait(tty)?;
        }
        if by_shell {
            tty.input.remember();
        }
        let part = to.part(done, CHUNK);
        let piece = buffer.get_mut(..part.len()).unwrap_or_default();
        let (count, ended) = tty.input.take(piece, done);
        tty.unthrottle();
        drop(tty);
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

/// The foreground process group, which Ctrl-C kills.
pub fn foreground() -> i32 {
    FOREGROUND.load(Ordering::Relaxed)
}

/// Sets the foreground process group.
pub fn set_foreground(group: i32) {
    FOREGROUND.store(group, Ordering::Relaxed);
}

impl Tty {
    /// Resumes throttled input if there is room again.
    fn unthrottle(&mut self) {
        if self.throttled && self.input.has_room() {
            self.throttled = false;
            uart::set_throttled(false);
        }
    }
}

/// Whether there is room for another byte. If not, throttles the serial port, so that no input is lost.
fn has_room() -> bool {
    let mut tty = TTY.lock();
    let room = tty.input.has_room();
    if !room {
        tty.throttled = true;
        uart::set_throttled(true);
    }
    room
}

fn uart_interrupt() {
    while let Some(byte) = uart::get(has_room) {
        receive(byte);
    }
}

/// Handles one byte of input.
fn receive(byte: u8) {
    const INTERRUPT: u8 = control(b'C');
    const STATE: u8 = control(b'P');
    const MEMORY: u8 = control(b'T');
    match byte {
        0 => {}
        INTERRUPT => interrupt(),
        STATE => bust_spinlocks(HOOKS.get().dump_state),
        MEMORY => bust_spinlocks(HOOKS.get().dump_memory),
        _ => add(byte),
    }
}

fn add(byte: u8) {
    let mut tty = TTY.lock();
    let output = lock_output();
    let ends = tty.input.add(byte, &mut write_bytes_locked);
    drop(output);
    drop(tty);
    if ends {
        LINES.wake_all();
    }
}

/// Ctrl-C: drops the input and kills the foreground job.
fn interrupt() {
    let mut tty = TTY.lock();
    let output = lock_output();
    tty.input.abandon(&mut write_bytes_locked);
    drop(output);
    drop(tty);
    let ended = (HOOKS.get().interrupt)(foreground());
    TTY.lock().input.forget(ended);
    LINES.wake_all();
}
