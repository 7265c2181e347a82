//! Running commands.

use crate::job::{self, Job};
use crate::parse::{Chain, Command, Condition, List, Mode, Pipeline, Redirect, What};
use abi::{Errno, INTERRUPTED};
use programs::cli::{Text, complain};
use ulib::env;
use ulib::fs::{self, File};
use ulib::io::{self, Error};
use ulib::process::{self, Fork};
use ulib::vec::Vec;

/// Exit status of a failed builtin or redirection.
const FAILED: i32 = 1;
/// Exit status if exec fails.
const NOT_RUNNABLE: i32 = 126;
/// Exit status if the program does not exist.
const NOT_FOUND: i32 = 127;

/// Runs a list; returns the status of its last command, or `status` if it is empty. A command that
/// Ctrl-C ends is the last.
pub(crate) fn list(list: &List, mut status: i32) -> i32 {
    for item in &list.0 {
        if !item.background {
            status = chain(&item.chain, status);
            if status == INTERRUPTED {
                break;
            }
            continue;
        }
        status = match Job::background().fork() {
            Ok(Fork::Child) => process::exit(chain(&item.chain, 0)),
            Ok(Fork::Parent(_)) => 0,
            Err(error) => cannot_fork(error),
        };
    }
    status
}

fn chain(chain: &Chain, before: i32) -> i32 {
    let mut status = pipeline(&chain.first, before);
    for (condition, next) in &chain.rest {
        if status == INTERRUPTED {
            break;
        }
        if (status == 0) == (*condition == Condition::IfDone) {
            status = pipeline(next, status);
        }
    }
    status
}

fn pipeline(pipeline: &Pipeline, before: i32) -> i32 {
    if let [command] = pipeline.0.as_slice()
        && let What::Words(words) = &command.what
        && let Some(status) = builtin(words, &command.redirects, before)
    {
        return status;
    }
    let mut children = Vec::new();
    let mut job = Job::foreground();
    let mut input = None;
    let mut failed = None;
    let last = pipeline.0.len() - 1;
    for (i, command) in pipeline.0.iter().enumerate() {
        let (next, output) = if i == last {
            (None, None)
        } else {
            match process::pipe() {
                Ok((read, write)) => (Some(read), Some(write)),
                Err(error) => {
                    complain(format_args!("cannot create a pipe: {error}"));
                    failed = Some(FAILED);
                    break;
                }
            }
        };
        match job.fork() {
            Ok(Fork::Child) => {
                drop(next);
                process::exit(child(command, input, output));
            }
            Ok(Fork::Parent(pid)) => children.push(pid),
            Err(error) => {
                failed = Some(cannot_fork(error));
                break;
            }
        }
        input = next;
    }
    drop(input);
    let status = wait_for_all(&children);
    failed.unwrap_or(status)
}

/// Reports the error; returns the exit status.
pub(crate) fn cannot_fork(error: io::Error) -> i32 {
    complain(format_args!("cannot fork: {error}"));
    FAILED
}

/// Waits for these children and reaps others meanwhile. Returns the status of the last one, unless
/// Ctrl-C ended one of them.
fn wait_for_all(children: &[i32]) -> i32 {
    let mut left = children.len();
    let mut last = 0;
    let mut interrupted = false;
    while left > 0 {
        let Ok((pid, status)) = process::wait() else {
            return FAILED;
        };
        if children.contains(&pid) {
            left -= 1;
            interrupted |= status.interrupted();
        } else {
            job::reaped();
        }
        if children.last() == Some(&pid) {
            last = status.code();
        }
    }
    if interrupted { INTERRUPTED } else { last }
}

/// Runs a command of a pipeline in its child; returns the exit status.
fn child(command: &Command, input: Option<File>, output: Option<File>) -> i32 {
    for (fd, file) in [(0, input), (1, output)] {
        if let Some(Err(error)) = file.map(|file| file.become_fd(fd)) {
            complain(format_args!("cannot attach a pipe: {error}"));
            return FAILED;
        }
    }
    for redirect in &command.redirects {
        if !apply(redirect) {
            return FAILED;
        }
    }
    match &command.what {
        What::Group(inner) => list(inner, 0),
        What::Words(words) => builtin(words, &[], 0).unwrap_or_else(|| exec(words)),
    }
}

fn open(redirect: &Redirect) -> io::Result<File> {
    match redirect.mode {
        Mode::Read => File::open(&redirect.file),
        Mode::Write => File::create(&redirect.file),
        Mode::Append => File::options()
            .append(true)
            .create(true)
            .open(&redirect.file),
    }
    .inspect_err(|error| {
        complain(format_args!(
            "cannot open {}: {error}",
            Text(&redirect.file)
        ))
    })
}

/// Redirects standard input or output. Returns whether it succeeded.
fn apply(redirect: &Redirect) -> bool {
    let fd = if redirect.mode == Mode::Read { 0 } else { 1 };
    match open(redirect) {
        Err(_) => false,
        Ok(file) => file
            .become_fd(fd)
            .inspect_err(|error| {
                let file = Text(&redirect.file);
                complain(format_args!("cannot redirect to {file}: {error}"));
            })
            .is_ok(),
    }
}

/// Runs a builtin; `None` if `words` name a program.
fn builtin(words: &[Vec<u8>], redirects: &[Redirect], before: i32) -> Option<i32> {
    let (name, arguments) = match words.split_first() {
        Some((name, arguments)) => (name.as_slice(), arguments),
        None => (b"".as_slice(), [].as_slice()),
    };
    let known = words.is_empty() || matches!(name, b"cd" | b"exit" | b"wait");
    if !known {
        return None;
    }
    // Builtins print nothing, so only open the files.
    if !redirects.iter().all(|redirect| open(redirect).is_ok()) {
        return Some(FAILED);
    }
    Some(match name {
        b"cd" => cd(arguments),
        b"exit" => exit(arguments, before),
        b"wait" => job::wait_for_background(),
        _ => 0,
    })
}

fn cd(arguments: &[Vec<u8>]) -> i32 {
    let directory = match arguments {
        [] => b"/".as_slice(),
        [directory] => directory,
        _ => {
            complain("usage: cd [DIRECTORY]");
            return FAILED;
        }
    };
    match env::set_current_dir(directory) {
        Ok(()) => 0,
        Err(error) => {
            complain(format_args!(
                "cannot change to {}: {error}",
                Text(directory)
            ));
            FAILED
        }
    }
}

fn exit(arguments: &[Vec<u8>], before: i32) -> i32 {
    let status = match arguments {
        [] => Some(before),
        [status] => core::str::from_utf8(status)
            .ok()
            .and_then(|text| text.parse().ok()),
        _ => None,
    };
    match status {
        Some(status) => {
            job::leave();
            process::exit(status)
        }
        None => {
            complain("usage: exit [STATUS]");
            FAILED
        }
    }
}

/// Executes the program that `words` name; returns the exit status if that fails.
fn exec(words: &[Vec<u8>]) -> i32 {
    let Some(name) = words.first() else { return 0 };
    let path = match find(name) {
        Ok(path) => path,
        Err(Error::Kernel(Errno::NotFound)) => {
            complain(format_args!("{}: not found", Text(name)));
            return NOT_FOUND;
        }
        Err(error) => {
            complain(format_args!("{}: {error}", Text(name)));
            return NOT_RUNNABLE;
        }
    };
    let mut command = process::Command::new(&path);
    let Err(error) = command.arg0(name).args(&words[1..]).exec();
    complain(format_args!("{}: cannot run: {error}", Text(name)));
    NOT_RUNNABLE
}

/// The path of a program: in the current directory or the root.
fn find(name: &[u8]) -> io::Result<Vec<u8>> {
    let file = |path: &[u8]| match fs::metadata(path)?.is_dir() {
        true => Err(Error::Kernel(Errno::IsDirectory)),
        false => Ok(Vec::from(path)),
    };
    let here = file(name);
    if here.is_ok() || name.contains(&b'/') {
        return here;
    }
    let mut path = Vec::from(*b"/");
    path.extend_from_slice(name);
    // The error from here is more specific than "not found" in the root.
    file(&path).or(here)
}
