//! `exec`: valid programs run, and invalid ones do no harm.

use crate::elf::{ALL, Elf, STATUS, code, tiny};
use abi::{MAXARG, MAXVA, PAGE_SIZE, USER_TOP};
use harness::random::Random;
use harness::{Expect, Kid, Outcome, Test, available, ends_with, grow_touched};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::process::Command;
use ulib::vec::Vec;
use ulib::{env, format, sys, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "exec" = exec,
    "exec-arguments" = arguments,
    "exec-too-many-arguments" = too_many_arguments,
    "exec-too-long-arguments" = too_long_arguments,
    "exec-no-program" = no_program,
    "exec-tiny" = run_tiny,
    "exec-corrupt-header" = corrupt_header,
    "exec-corrupt-segment" = corrupt_segment,
    "exec-truncated" = truncated,
    "exec-random-damage" = random_damage,
    "exec-far-entry" = far_entry,
    "exec-zeroed-data" = zeroed_data,
    "exec-result-at-zero" = result_at_zero,
    "exec-permissions" = permissions,
    "exec-keeps" = keeps,
    "exec-gives-memory-back" = gives_memory_back,
    "exec-failed-goes-on" = failed_goes_on;
    slow:
    "exec-many-times" = many_times;
};

fn exec() -> Outcome {
    let (seen, status) = Command::new("/echo")
        .args(["one", "two"])
        .output()
        .or_fail("run echo")?;
    expect!(status.success(), "status 0, saw {status}");
    expect_eq!(seen.as_slice(), b"one two\n", "what echo printed");
    Ok(())
}

fn arguments() -> Outcome {
    let arguments: Vec<Vec<u8>> = vec![
        b"".into(),
        b" ".into(),
        b"a b".into(),
        b"\xff\x80".into(),
        vec![b'x'; 1000],
        b"last".into(),
    ];
    let (seen, _) = Command::new("/echo")
        .args(&arguments)
        .output()
        .or_fail("run echo")?;
    let mut expected = arguments.join(&b' ');
    expected.push(b'\n');
    expect!(
        seen == expected,
        "the arguments, saw {}",
        seen.escape_ascii()
    );
    Ok(())
}

/// Execs a path with arguments in a child; returns the exit status, or `None` if exec failed.
fn try_exec(path: &str, arguments: &[*const u8]) -> Result<Option<i32>, ulib::string::String> {
    // A status that no program here returns.
    const REFUSED: i32 = 88;
    let path = ulib::Path::new(path).or_fail("make a path")?;
    let child = Kid::start(|| {
        sys::exec(path.as_ptr(), arguments.as_ptr());
        REFUSED
    })?;
    let status = child.wait()?.code();
    Ok((status != REFUSED).then_some(status))
}

fn too_many_arguments() -> Outcome {
    let word = c"x".to_bytes_with_nul().as_ptr();
    let of = |count: usize| {
        let mut arguments = vec![word; count];
        arguments.push(core::ptr::null());
        arguments
    };
    // `kill` exits with 1 if its arguments are no numbers.
    expect_eq!(
        try_exec("/kill", &of(MAXARG - 1))?,
        Some(1),
        "exec with {} words",
        MAXARG - 1
    );
    for count in [MAXARG + 1, MAXARG + 2, 1000] {
        expect_eq!(
            try_exec("/kill", &of(count))?,
            None,
            "exec with {count} words"
        );
    }
    Ok(())
}

fn too_long_arguments() -> Outcome {
    let mut word = vec![b'x'; 3 * PAGE_SIZE];
    word.push(0);
    let mut arguments = vec![word.as_ptr(); MAXARG - 2];
    arguments.push(core::ptr::null());
    expect_eq!(
        try_exec("/kill", &arguments)?,
        None,
        "exec with more words than the stack holds"
    );
    Ok(())
}

fn no_program() -> Outcome {
    fs::write("empty", b"").or_fail("write a file")?;
    fs::write("text", b"echo this is no program\n").or_fail("write a file")?;
    fs::write("short", b"\x7fELF").or_fail("write a file")?;
    fs::create_dir("directory").or_fail("create a directory")?;
    for path in [
        "missing",
        "missing/x",
        "empty",
        "text",
        "short",
        "directory",
        ".",
        "/",
        "/console",
    ] {
        expect_eq!(
            try_exec(path, &[core::ptr::null()])?,
            None,
            "exec of {path}"
        );
    }
    Ok(())
}

/// Writes a program to a file and runs it; returns the exit status, or `None` if exec failed.
fn run(elf: &Elf) -> Result<Option<i32>, ulib::string::String> {
    run_bytes(&elf.bytes())
}

fn run_bytes(bytes: &[u8]) -> Result<Option<i32>, ulib::string::String> {
    let _ = fs::remove_file("tiny");
    fs::write("tiny", bytes).or_fail("write a program")?;
    try_exec(
        "tiny",
        &[c"tiny".to_bytes_with_nul().as_ptr(), core::ptr::null()],
    )
}

fn run_tiny() -> Outcome {
    expect_eq!(run(&tiny())?, Some(STATUS), "status of a tiny program");
    let mut elf = tiny();
    elf.segment.flags = ALL;
    expect_eq!(
        run(&elf)?,
        Some(STATUS),
        "status of one whose segment may do everything"
    );
    let mut elf = tiny();
    elf.segment.in_memory = 10 * PAGE_SIZE as u64;
    expect_eq!(
        run(&elf)?,
        Some(STATUS),
        "status of one with memory after its code"
    );
    let mut elf = tiny();
    elf.segment.address = 0x10000;
    elf.header.entry = 0x10000;
    expect_eq!(run(&elf)?, Some(STATUS), "status of one at another address");
    Ok(())
}

/// A corrupt program is refused or killed.
fn harmless(what: &str, corrupt: impl FnOnce(&mut Elf)) -> Outcome {
    let mut elf = tiny();
    corrupt(&mut elf);
    let seen = run(&elf)?;
    expect!(
        seen.is_none_or(|s| s == abi::KILLED),
        "{what} to be refused or end, saw {seen:?}"
    );
    Ok(())
}

/// A corrupt program is refused.
fn refused(what: &str, corrupt: impl FnOnce(&mut Elf)) -> Outcome {
    let mut elf = tiny();
    corrupt(&mut elf);
    expect_eq!(run(&elf)?, None, "exec with {what}");
    Ok(())
}

/// A change that makes a program invalid.
type Corruption = fn(&mut Elf);

fn corrupt_header() -> Outcome {
    let cases: [(&str, Corruption); 7] = [
        ("another magic", |elf| elf.header.magic[1] = b'e'),
        ("32 bits", |elf| elf.header.class = 1),
        ("the other byte order", |elf| elf.header.data = 2),
        ("another machine", |elf| elf.header.machine = 62),
        ("an object file", |elf| elf.header.kind = 1),
        ("too many program headers", |elf| {
            elf.header.segments = u16::MAX
        }),
        ("small program headers", |elf| elf.header.segment_size = 8),
    ];
    for (what, corrupt) in cases {
        refused(what, corrupt)?;
    }
    for offset in [u64::MAX, u64::MAX - 10, 1 << 63, 1 << 40, 100_000] {
        refused("program headers outside the file", |elf| {
            elf.header.segments_at = offset
        })?;
    }
    harmless("a program without segments", |elf| elf.header.segments = 0)
}

fn corrupt_segment() -> Outcome {
    let wild = [
        u64::MAX,
        u64::MAX - 4095,
        1 << 63,
        MAXVA,
        USER_TOP,
        0xffff_ffc0_0000_0000,
    ];
    for value in wild {
        refused("a segment in the wild", |elf| {
            elf.segment.address = value & !4095
        })?;
        refused("a segment of too much memory", |elf| {
            elf.segment.in_memory = value
        })?;
        refused("a segment of too much file", |elf| {
            elf.segment.in_file = value;
            elf.segment.in_memory = value;
        })?;
        refused("a segment outside the file", |elf| {
            elf.segment.offset = value & !4095
        })?;
    }
    refused("a segment over the end", |elf| {
        elf.segment.address = USER_TOP - PAGE_SIZE as u64;
        elf.segment.in_memory = 3 * PAGE_SIZE as u64;
    })?;
    refused("a segment that wraps around", |elf| {
        elf.segment.address = PAGE_SIZE as u64;
        elf.segment.in_memory = u64::MAX - PAGE_SIZE as u64 + 1;
    })?;
    refused("less memory than file", |elf| elf.segment.in_memory = 4)?;
    refused("a segment within a page", |elf| {
        elf.segment.address = 0x100;
        elf.header.entry = 0x100;
    })
}

fn truncated() -> Outcome {
    let whole = tiny().bytes();
    for length in [
        1,
        3,
        4,
        15,
        16,
        63,
        64,
        65,
        119,
        120,
        4095,
        4096,
        4097,
        whole.len() - 1,
    ] {
        let seen = run_bytes(&whole[..length])?;
        expect_eq!(seen, None, "exec of the first {length} bytes of a program");
    }
    Ok(())
}

/// Random changes in the headers: the program may run, be refused, or be killed, but not exit with
/// another status.
fn random_damage() -> Outcome {
    let mut random = Random::new(77);
    let whole = tiny().bytes();
    for round in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            bytes[random.below(120)] = random.number() as u8;
        }
        let seen = run_bytes(&bytes)?;
        expect!(
            seen.is_none_or(|s| s == STATUS || s == abi::KILLED),
            "to run, end or be refused in round {round}, saw {seen:?}"
        );
    }
    Ok(())
}

fn far_entry() -> Outcome {
    for entry in [
        PAGE_SIZE as u64,
        1 << 30,
        MAXVA,
        u64::MAX - 1,
        1 << 63,
        0xffff_ffc0_0000_0000,
    ] {
        harmless("an entry where nothing is", |elf| elf.header.entry = entry)?;
    }
    Ok(())
}

/// A call that stores its result at address 0, where programs start, stores only the result.
fn result_at_zero() -> Outcome {
    let mut elf = tiny();
    elf.segment.flags = ALL;
    elf.header.entry = 0x100;
    elf.code = Vec::new();
    elf.code.resize(0x100, 0);
    // fstat(1, 0); then ends with 0 if the call gave 0 and the next eight bytes are zero:
    // li a0, 1; li a1, 0; li a7, 8; ecall; bne a0, zero, 1f; lwu a0, 24(zero); lwu a1, 28(zero);
    // or a0, a0, a1; j 2f; 1: li a0, 77; 2: li a7, 2; ecall
    elf.code.extend(code(&[
        0x0010_0513,
        0x0000_0593,
        0x0080_0893,
        0x0000_0073,
        0x0005_1a63,
        0x0180_6503,
        0x01c0_6583,
        0x00b5_6533,
        0x0080_006f,
        0x04d0_0513,
        0x0020_0893,
        0x0000_0073,
    ]));
    elf.segment.in_file = elf.code.len() as u64;
    elf.segment.in_memory = elf.segment.in_file;
    expect_eq!(run(&elf)?, Some(0), "status after fstat to address 0");
    Ok(())
}

/// Bss is zero, in the last file page and in later ones.
fn zeroed_data() -> Outcome {
    let mut elf = tiny();
    elf.segment.flags = ALL;
    elf.segment.in_memory = 3 * PAGE_SIZE as u64;
    // lui a1, 1; lbu a0, -1(a1); lbu a2, 0(a1); or a0, a0, a2; li a7, 2; ecall
    elf.code = code(&[
        0x0000_15b7,
        0xfff5_c503,
        0x0005_c603,
        0x00c5_6533,
        0x0020_0893,
        0x73,
    ]);
    elf.segment.in_file = elf.code.len() as u64;
    // Data after the segment in the file must not show.
    elf.code.resize(PAGE_SIZE * 2, 0xff);
    expect_eq!(
        run(&elf)?,
        Some(0),
        "bytes after the segment's part in the file"
    );
    Ok(())
}

/// Segments have the protection that the file asks for.
fn permissions() -> Outcome {
    // sw zero, 0(zero); li a0, 42; li a7, 2; ecall
    let writes = code(&[0x0000_2023, 0x02a0_0513, 0x0020_0893, 0x73]);
    for (flags, expected) in [
        (crate::elf::READ_RUN, abi::KILLED),
        (ALL, STATUS),
        (6, abi::KILLED),
    ] {
        let mut elf = tiny();
        elf.code.clone_from(&writes);
        elf.segment.flags = flags;
        elf.segment.in_file = writes.len() as u64;
        elf.segment.in_memory = writes.len() as u64;
        expect_eq!(
            run(&elf)?,
            Some(expected),
            "status of a writer with permissions {flags}"
        );
    }
    Ok(())
}

/// exec keeps current directory, open files and process ID.
fn keeps() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d/file", b"kept").or_fail("write a file")?;
    let input = File::open("d/file").or_fail("open it")?;
    let (seen, _) = Command::new("/cat")
        .stdin(input)
        .output()
        .or_fail("run cat")?;
    expect_eq!(seen.as_slice(), b"kept", "what cat read from its input");
    env::set_current_dir("d").or_fail("chdir")?;
    let (seen, _) = Command::new("/cat")
        .arg("file")
        .output()
        .or_fail("run cat")?;
    expect_eq!(seen.as_slice(), b"kept", "what cat read in its directory");
    let child = Command::new("/echo")
        .arg("-")
        .stdout(ulib::process::Stdio::Piped)
        .spawn();
    let mut child = child.or_fail("run echo")?;
    expect!(child.id() > 0, "a number, saw {}", child.id());
    expect!(
        child.wait().or_fail("wait for that number")?.success(),
        "status 0"
    );
    Ok(())
}

fn gives_memory_back() -> Outcome {
    let before = available()?;
    let (read, write) = ulib::process::pipe().or_fail("create a pipe")?;
    let child = Kid::start(|| {
        if grow_touched(1000).is_err() {
            return 1;
        }
        sys::close(write.as_raw_fd());
        if read.become_fd(0).is_err() {
            return 2;
        }
        let Err(_) = Command::new("/cat").exec();
        3
    })?;
    // Poll until the child has execed `cat`.
    let mut used = u64::MAX;
    for _ in 0..50 {
        used = before.saturating_sub(available()?);
        if used < 200 {
            break;
        }
        ulib::thread::sleep_ticks(1);
    }
    expect!(used < 200, "few pages in use after exec, saw {used}");
    drop(write);
    child.ends_with(0, "cat")
}

fn failed_goes_on() -> Outcome {
    let base = grow_touched(3)?;
    fs::write("bad", &tiny().bytes()[..100]).or_fail("write a bad program")?;
    for _ in 0..20 {
        let path = c"bad".to_bytes_with_nul().as_ptr();
        expect_eq!(
            sys::exec(path, [path, core::ptr::null()].as_ptr()),
            -1,
            "exec of it"
        );
    }
    for page in 0..3 {
        let byte = harness::peek(base + page * PAGE_SIZE);
        expect_eq!(byte, 1, "memory after an exec that failed");
    }
    expect!(
        fs::read("bad").is_ok_and(|bytes| bytes.len() == 100),
        "files to work"
    );
    Ok(())
}

fn many_times() -> Outcome {
    for round in 0..100 {
        let word = format!("{round}");
        let (seen, _) = Command::new("/echo")
            .arg(&word)
            .output()
            .or_fail("run echo")?;
        expect_eq!(seen.trim_ascii_end(), word.as_bytes(), "what echo printed");
    }
    ends_with(0, "going on", || 0)
}
