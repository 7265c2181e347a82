//! Concurrent use of the file system.

use harness::random::Random;
use harness::{Expect, Gate, Kid, Outcome, SCRATCH, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::process::Command;
use ulib::vec::Vec;
use ulib::{env, format, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "writers-of-one-offset" = one_offset,
    "create-and-remove-at-once" = create_and_remove,
    "link-and-remove-at-once" = link_and_remove,
    "directories-at-once" = directories,
    "one-name-wins" = one_name_wins,
    "last-close-at-once" = last_close,
    "programs-at-once" = programs_at_once;
    slow:
    "twenty-writers" = twenty_writers,
    "read-while-written" = read_while_written;
};

/// Runs `run` in `count` processes that start together; each must succeed.
fn together(count: u8, what: &str, run: impl Fn(u8) -> ulib::io::Result<bool>) -> Outcome {
    let gate = Gate::new()?;
    let kids: Vec<Kid> = (0..count)
        .map(|number| {
            Kid::start(|| {
                gate.pass();
                i32::from(run(number) != Ok(true))
            })
        })
        .collect::<Result<_, _>>()?;
    gate.open();
    kids.into_iter().try_for_each(|kid| kid.ends_with(0, what))
}

fn twenty_writers() -> Outcome {
    const PIECES: usize = 40;
    const PIECE: usize = 500;
    together(20, "writing beside others", |number| {
        let mut random = Random::new(u64::from(number));
        let mut file = File::create(format!("file{number}"))?;
        for _ in 0..PIECES {
            let piece: [u8; PIECE] = core::array::from_fn(|_| random.number() as u8);
            file.write_all(&piece)?;
        }
        Ok(true)
    })?;
    for number in 0..20 {
        let mut random = Random::new(number);
        let bytes = fs::read(format!("file{number}")).or_fail("read a file")?;
        expect_eq!(bytes.len(), PIECES * PIECE, "bytes of file {number}");
        let wrong = bytes.iter().position(|&byte| byte != random.number() as u8);
        expect_eq!(wrong, None, "the first wrong byte of file {number}");
    }
    Ok(())
}

/// Processes that share an open file append by its offset.
fn one_offset() -> Outcome {
    const ROUNDS: usize = 100;
    const PIECE: usize = 10;
    let file = File::create("file").or_fail("create a file")?;
    together(5, "writing through one offset", |number| {
        for _ in 0..ROUNDS {
            (&file).write_all(&[number; PIECE])?;
        }
        Ok(true)
    })?;
    let bytes = fs::read("file").or_fail("read it")?;
    expect_eq!(bytes.len(), 5 * ROUNDS * PIECE, "bytes in the file");
    for number in 0..5 {
        let count = bytes.iter().filter(|&&byte| byte == number).count();
        expect_eq!(count, ROUNDS * PIECE, "bytes of process {number}");
    }
    expect!(
        bytes
            .chunks(PIECE)
            .all(|piece| piece.iter().all(|&byte| byte == piece[0])),
        "pieces that are whole"
    );
    Ok(())
}

fn create_and_remove() -> Outcome {
    together(4, "creating and removing files", |number| {
        for round in 0..20 {
            let mine = format!("p{number}r{round}");
            fs::write(&mine, &mine)?;
            // Shared names: any result is valid.
            let shared = format!("shared{}", round % 3);
            let _ = fs::write(&shared, b"any");
            let _ = fs::remove_file(&shared);
            if fs::read(&mine)? != mine.as_bytes() {
                return Ok(false);
            }
            if round % 2 == 0 {
                fs::remove_file(&mine)?;
            }
        }
        Ok(true)
    })?;
    for number in 0..4 {
        for round in 0..20 {
            let there = fs::metadata(format!("p{number}r{round}")).is_ok();
            expect_eq!(
                there,
                round % 2 == 1,
                "whether file {round} of process {number} is there"
            );
        }
    }
    Ok(())
}

fn link_and_remove() -> Outcome {
    fs::write("cat", b"cat").or_fail("write a file")?;
    together(4, "linking and removing", |number| {
        let mut random = Random::new(u64::from(number) + 97);
        for _ in 0..60 {
            match random.below(3) {
                0 => drop(File::create("x")),
                1 => drop(fs::hard_link("cat", "x")),
                _ => drop(fs::remove_file("x")),
            }
        }
        Ok(true)
    })?;
    let _ = fs::remove_file("x");
    let links = fs::metadata("cat").or_fail("stat the file")?.stat().nlink;
    expect_eq!(links, 1, "links of the file");
    Ok(())
}

fn directories() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    together(4, "creating, entering and removing directories", |number| {
        let mut random = Random::new(u64::from(number) + 7);
        for _ in 0..40 {
            let name = format!("{SCRATCH}/d/n{}", random.below(3));
            match random.below(3) {
                0 => drop(fs::create_dir(&name)),
                1 => drop(fs::remove_dir(&name)),
                _ => {
                    if env::set_current_dir(&name).is_ok() {
                        let _ = fs::create_dir("inner");
                        let _ = fs::remove_dir("inner");
                        env::set_current_dir(SCRATCH)?;
                    }
                }
            }
        }
        Ok(true)
    })?;
    for number in 0..3 {
        let _ = fs::remove_dir(format!("d/n{number}"));
    }
    fs::remove_dir("d").or_fail("remove the directory around them")
}

/// Of several mkdirs with the same name one succeeds.
fn one_name_wins() -> Outcome {
    for round in 0..20 {
        let name = format!("d{round}");
        let gate = Gate::new()?;
        let kids: Vec<Kid> = (0..4)
            .map(|_| {
                Kid::start(|| {
                    gate.pass();
                    i32::from(fs::create_dir(&name).is_err())
                })
            })
            .collect::<Result<_, _>>()?;
        gate.open();
        let mut winners = 0;
        for kid in kids {
            if kid.wait()?.success() {
                winners += 1;
            }
        }
        expect_eq!(
            winners,
            1,
            "processes that made the directory of round {round}"
        );
    }
    Ok(())
}

/// An unlinked file is freed at the last close.
fn last_close() -> Outcome {
    for _ in 0..10 {
        fs::write("file", vec![b'l'; 10_000]).or_fail("write a file")?;
        let file = File::open("file").or_fail("open it")?;
        fs::remove_file("file").or_fail("remove it")?;
        together(6, "closing a removed file", |_| {
            Ok((&file).read(&mut [0; 10]).is_ok())
        })?;
    }
    Ok(())
}

fn programs_at_once() -> Outcome {
    together(8, "running programs", |number| {
        for round in 0..5 {
            let word = format!("{number}-{round}");
            let (seen, status) = Command::new("/echo").arg(&word).output()?;
            if !status.success() || seen.trim_ascii_end() != word.as_bytes() {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// Readers see a prefix of what the writer writes.
fn read_while_written() -> Outcome {
    const LENGTH: usize = 100_000;
    File::create("file").or_fail("create a file")?;
    together(4, "reading what is being written", |number| {
        if number == 0 {
            let mut file = File::options().write(true).open("file")?;
            for at in (0..LENGTH).step_by(1000) {
                file.write_all(&[(at / 1000) as u8; 1000])?;
            }
            return Ok(true);
        }
        for _ in 0..20 {
            let seen = fs::read("file")?;
            if seen.len() > LENGTH || seen.iter().enumerate().any(|(i, &b)| b != (i / 1000) as u8) {
                return Ok(false);
            }
        }
        Ok(true)
    })?;
    expect_eq!(
        fs::read("file").or_fail("read it all")?.len(),
        LENGTH,
        "bytes in the file"
    );
    Ok(())
}
