//! `init`: the first process. It opens the console, runs a shell, restarts it when it exits, and
//! reaps orphaned processes.
//!
//! With arguments it instead runs them as one command line and powers off with that command's
//! status.
#![no_std]
#![no_main]

use abi::CONSOLE;
use core::convert::Infallible;
use ulib::fs::{self, File};
use ulib::process::{self, Command, ExitStatus};
use ulib::vec::Vec;
use ulib::{env, eprintln, main, println, sys, thread};

main!(main);

/// Exit status of a child whose exec failed.
const NOT_STARTED: i32 = 127;

fn main() -> Infallible {
    open_console();
    let line: Vec<&[u8]> = env::args_bytes().skip(1).collect();
    if line.is_empty() {
        loop {
            println!("init: starting sh");
            if run(Command::new("/sh").arg0("sh")).is_none_or(|status| status.code() == NOT_STARTED)
            {
                // Out of memory or processes: wait a second for others to exit.
                thread::sleep_ticks(10);
            }
        }
    }
    println!("init: starting sh");
    let status = run(Command::new("/sh")
        .arg0("sh")
        .arg("-c")
        .arg(line.join(&b' ')));
    let code = status.map_or(255, ExitStatus::code);
    sys::shutdown(if (0..=255).contains(&code) { code } else { 255 })
}

/// Opens the console as files 0, 1 and 2.
fn open_console() {
    let open = || File::options().read(true).write(true).open("/console");
    let console = open().or_else(|_| {
        fs::make_device("/console", CONSOLE, 0)?;
        open()
    });
    // Without a console nothing can be reported.
    let Ok(console) = console else {
        sys::shutdown(255)
    };
    let (Ok(out), Ok(err)) = (console.try_clone(), console.try_clone()) else {
        sys::shutdown(255)
    };
    for file in [console, out, err] {
        file.into_raw_fd();
    }
}

/// Runs a program until it exits, and reaps orphans meanwhile.
fn run(command: &mut Command) -> Option<ExitStatus> {
    let shell = match command.spawn() {
        Ok(child) => child.id(),
        Err(error) => {
            eprintln!("init: cannot start sh: {error}");
            return None;
        }
    };
    loop {
        match process::wait() {
            Ok((pid, status)) if pid == shell => return Some(status),
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
