//! `kill`, whatever the victim does.

use harness::{Expect, Gate, Kid, Outcome, Tally, Test, ends_with};
use harness::{expect, expect_eq, tests};
use ulib::fs::File;
use ulib::io::{Read, Write};
use ulib::process::{self, Command};
use ulib::vec::Vec;
use ulib::{sys, thread, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "kill-running" = running,
    "kill-reading-pipe" = reading_pipe,
    "kill-writing-pipe" = writing_pipe,
    "kill-waiting" = waiting,
    "kill-sleeping" = sleeping,
    "kill-reading-console" = reading_console,
    "kill-itself" = itself,
    "kill-nobody" = nobody,
    "kill-ended" = ended,
    "kill-many" = many,
    "kill-before-it-runs" = before_it_runs,
    "kill-touching-memory" = touching_memory;
    slow:
    "kill-writing-files" = writing_files,
    "kill-starting-programs" = starting_programs;
};

/// Starts a child that blocks or loops forever, and kills it, before and while it does.
fn kill_while(what: &str, endless: impl Fn()) -> Outcome {
    for round in 0..6 {
        let tally = Tally::new()?;
        let child = Kid::start(|| {
            tally.report(1);
            loop {
                endless();
            }
        })?;
        tally.listen().hear()?;
        // After a tick the child probably sleeps in the call.
        if round % 2 == 0 {
            thread::sleep_ticks(1);
        }
        child.kill(what)?;
    }
    Ok(())
}

fn running() -> Outcome {
    kill_while("running", || {
        core::hint::spin_loop();
    })
}

fn reading_pipe() -> Outcome {
    let (read, _write) = process::pipe().or_fail("create a pipe")?;
    kill_while("reading an empty pipe", || {
        let _ = (&read).read(&mut [0]);
    })
}

fn writing_pipe() -> Outcome {
    let (_read, write) = process::pipe().or_fail("create a pipe")?;
    kill_while("writing to a full pipe", || {
        let _ = (&write).write(&vec![0; 1000]);
    })
}

fn waiting() -> Outcome {
    let gate = Gate::new()?;
    kill_while("waiting for a child", || {
        let started = process::fork_with(|| {
            gate.pass();
            0
        });
        if started.is_ok() {
            let _ = process::wait();
        }
    })?;
    gate.open();
    Ok(())
}

fn sleeping() -> Outcome {
    kill_while("sleeping", || thread::sleep_ticks(1_000_000))
}

fn reading_console() -> Outcome {
    let console = File::open("/console").or_fail("open the console")?;
    // Typed input does no harm.
    kill_while("reading the console", || {
        let _ = (&console).read(&mut [0]);
    })
}

fn itself() -> Outcome {
    ends_with(abi::KILLED, "killing itself", || {
        let _ = process::kill(process::id());
        0
    })
}

fn nobody() -> Outcome {
    for pid in [0, -1, i32::MIN, i32::MAX, 1_000_000_000] {
        expect_eq!(sys::kill(pid), -1, "kill({pid})");
    }
    Ok(())
}

fn ended() -> Outcome {
    let child = process::fork_with(|| 9).or_fail("fork")?;
    process::wait().or_fail("wait")?;
    expect_eq!(sys::kill(child), -1, "kill of a process that was reaped");
    // A zombie, as its closed pipe shows.
    let tally = Tally::new()?;
    let child = Kid::start(|| 9)?;
    let reports = tally.listen().count()?;
    expect_eq!(reports, 0, "reports of a child that makes none");
    let _ = process::kill(child.id());
    let status = child.wait()?.code();
    expect!(
        status == 9 || status == abi::KILLED,
        "its own status or a kill's, saw {status}"
    );
    Ok(())
}

fn many() -> Outcome {
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..30)
        .map(|i| {
            if i % 2 == 0 {
                return Kid::spinning();
            }
            Kid::start(|| {
                gate.pass();
                0
            })
        })
        .collect::<Result<_, _>>()?;
    for kid in &kids {
        process::kill(kid.id()).or_fail("kill")?;
    }
    // Killing again is no error before they are reaped.
    for kid in &kids {
        process::kill(kid.id()).or_fail("kill again")?;
    }
    for kid in kids {
        kid.ends_with(abi::KILLED, "being killed twice")?;
    }
    Ok(())
}

fn before_it_runs() -> Outcome {
    for _ in 0..50 {
        Kid::spinning()?.kill("having just started")?;
    }
    Ok(())
}

fn touching_memory() -> Outcome {
    kill_while("taking and giving back memory", || {
        let pages = 100;
        if harness::grow_touched(pages).is_ok() {
            // SAFETY: nothing was allocated since.
            unsafe { sys::sbrk(-((pages * abi::PAGE_SIZE) as isize)) };
        }
    })
}

fn writing_files() -> Outcome {
    kill_while("creating, writing and removing files", || {
        if let Ok(mut file) = File::create("file") {
            let _ = file.write_all(&vec![b'w'; 5000]);
        }
        let _ = ulib::fs::remove_file("file");
        let _ = ulib::fs::create_dir("directory");
        let _ = ulib::fs::remove_file("directory");
    })
}

fn starting_programs() -> Outcome {
    kill_while("starting programs", || {
        let _ = Command::new("/ls")
            .arg("/no-such-file")
            .stderr(sink())
            .status();
    })
}

/// Swallows error messages.
fn sink() -> ulib::process::Stdio {
    File::create("sink").map_or(ulib::process::Stdio::Inherit, ulib::process::Stdio::File)
}
