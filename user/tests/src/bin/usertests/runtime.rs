//! The Rust runtime, `ulib`.

use harness::random::Random;
use harness::{Expect, Kid, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::boxed::Box;
use ulib::collections::BTreeMap;
use ulib::fs::{self, File};
use ulib::io::{BufRead, BufReader, BufWriter, Write};
use ulib::process::{self, Command};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, mem, println, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "heap" = heap,
    "heap-beside-sbrk" = heap_beside_sbrk,
    "heap-too-much" = heap_too_much,
    "panic" = panic,
    "buffers" = buffers,
    "append" = append,
    "wait-for-one-of-many" = wait_for_one,
    "lines-are-whole" = lines_are_whole,
    "start-missing-program" = start_missing;
    slow:;
};

fn heap() -> Outcome {
    let mut random = Random::new(41);
    let mut live: BTreeMap<usize, Box<[u8]>> = BTreeMap::new();
    for round in 0..5000 {
        let key = random.below(200);
        if let Some(old) = live.remove(&key) {
            expect!(
                old.iter().all(|&byte| byte == key as u8),
                "block {key} as it was written"
            );
        } else {
            let length = if round % 50 == 0 {
                random.below(200_000)
            } else {
                random.below(2000)
            };
            live.insert(key, vec![key as u8; length].into_boxed_slice());
        }
    }
    let mut list = Vec::new();
    (0..200_000_u32).for_each(|i| list.push(i));
    expect!(
        list.iter().enumerate().all(|(i, &n)| i as u32 == n),
        "a long list as it was made"
    );
    Ok(())
}

fn heap_beside_sbrk() -> Outcome {
    let mut kept = Vec::new();
    for round in 0..50_u8 {
        let base = mem::grow(100 + usize::from(round)).or_fail("grow the heap")?;
        // SAFETY: the kernel just gave these bytes to us.
        unsafe { core::slice::from_raw_parts_mut(base, 100) }.fill(round);
        kept.push((base, round, vec![round; 5000]));
    }
    for (base, round, bytes) in kept {
        // SAFETY: as above.
        let seen = unsafe { core::slice::from_raw_parts(base, 100) };
        expect!(
            seen.iter().chain(&bytes).all(|&byte| byte == round),
            "the bytes of round {round}"
        );
    }
    Ok(())
}

/// Runs `run` in a child; returns its standard error and exit status.
fn complaint(run: impl FnOnce()) -> Result<(String, i32), String> {
    let child = Kid::start(|| {
        if File::create("errors")
            .and_then(|file| file.become_fd(2))
            .is_err()
        {
            return 1;
        }
        run();
        0
    })?;
    let status = child.wait()?.code();
    Ok((
        fs::read_to_string("errors").or_fail("read its errors")?,
        status,
    ))
}

fn heap_too_much() -> Outcome {
    let (message, status) = complaint(|| {
        let bytes: Vec<u8> = Vec::with_capacity(core::hint::black_box(1 << 45));
        core::hint::black_box(bytes);
    })?;
    expect_eq!(status, 101, "status after too large an allocation");
    expect!(
        message.contains("memory allocation"),
        "a message about memory, saw {message}"
    );
    Ok(())
}

fn panic() -> Outcome {
    let (message, status) = complaint(|| {
        let empty: &[u8] = core::hint::black_box(&[]);
        println!("{}", empty[0]);
    })?;
    expect_eq!(status, 101, "status after a panic");
    let begins = message.starts_with("usertests: panicked at ");
    expect!(
        begins && message.contains("index out of bounds"),
        "a message, saw {message}"
    );
    Ok(())
}

fn buffers() -> Outcome {
    let mut writer = BufWriter::new(File::create("file").or_fail("create a file")?);
    for i in 0..3000 {
        writeln!(writer, "line {i}").or_fail("write a line")?;
    }
    writer.flush().or_fail("write the rest")?;
    drop(writer);
    let reader = BufReader::new(File::open("file").or_fail("open it")?);
    let mut count = 0;
    for line in reader.lines() {
        expect_eq!(
            line.or_fail("read a line")?,
            format!("line {count}"),
            "line {count}"
        );
        count += 1;
    }
    expect_eq!(count, 3000, "lines");
    Ok(())
}

fn append() -> Outcome {
    for word in ["one ", "two ", "three"] {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open("file")
            .or_fail("open it")?;
        file.write_all(word.as_bytes()).or_fail("append")?;
    }
    let seen = fs::read_to_string("file").or_fail("read it")?;
    expect_eq!(seen.as_str(), "one two three", "the file");
    Ok(())
}

fn wait_for_one() -> Outcome {
    let children: Vec<i32> = (0..10)
        .map(|i| process::fork_with(|| i))
        .collect::<Result<_, _>>()
        .or_fail("fork")?;
    for (i, &pid) in children.iter().enumerate().rev() {
        let status = process::wait_for(pid).or_fail("wait for one of many")?;
        expect_eq!(status.code(), i as i32, "status of child {i}");
    }
    expect!(process::wait().is_err(), "no more children");
    expect!(
        process::wait_for(children[0]).is_err(),
        "a child to be waited for once"
    );
    Ok(())
}

/// Lines of several processes do not mix, though printed in pieces.
fn lines_are_whole() -> Outcome {
    let out = File::create("out").or_fail("create a file")?;
    out.become_fd(1).or_fail("print to it")?;
    let kids: Vec<Kid> = (0..5)
        .map(|number| {
            Kid::start(|| {
                for line in 0..50 {
                    println!("process {number} line {line} of {}", 50);
                }
                0
            })
        })
        .collect::<Result<_, _>>()?;
    kids.into_iter()
        .try_for_each(|kid| kid.ends_with(0, "printing"))?;
    let text = fs::read_to_string("out").or_fail("read what was printed")?;
    expect_eq!(text.lines().count(), 250, "lines");
    for line in text.lines() {
        let whole = line.starts_with("process ") && line.ends_with(" of 50");
        expect!(whole && line.len() <= 26, "whole lines, saw {line}");
    }
    Ok(())
}

fn start_missing() -> Outcome {
    let errors = File::create("errors").or_fail("create a file")?;
    let status = Command::new("missing")
        .stderr(errors)
        .status()
        .or_fail("start a process")?;
    expect_eq!(status.code(), 127, "status of a missing program");
    let message = fs::read_to_string("errors").or_fail("read its errors")?;
    expect!(
        message.contains("cannot start missing"),
        "a message, saw {message}"
    );
    Ok(())
}
