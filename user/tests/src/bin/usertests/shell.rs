//! The shell and the programs on the disk.

use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::Write;
use ulib::process::{self, Command, Stdio};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{format, vec};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "sh-commands" = commands,
    "sh-status" = status,
    "sh-pipes" = pipes,
    "sh-redirections" = redirections,
    "sh-quotes" = quotes,
    "sh-syntax-errors" = syntax_errors,
    "sh-groups" = groups,
    "sh-conditions" = conditions,
    "sh-background" = background,
    "sh-directories" = directories,
    "sh-script" = script,
    "sh-input" = input,
    "sh-long-line" = long_line,
    "sh-without-processes" = without_processes,
    "sh-without-reader" = without_reader,
    "cat-and-wc" = cat_and_wc,
    "grep" = grep,
    "ls" = ls,
    "ln-rm-mkdir" = ln_rm_mkdir,
    "usage-errors" = usage_errors;
    slow:;
};

/// A program's standard output and exit status.
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) status: i32,
}

fn finish(command: &mut Command) -> Result<Seen, String> {
    let errors = File::create("errors").or_fail("create a file")?;
    let (bytes, status) = command.stderr(errors).output().or_fail("run a program")?;
    let text = String::from_utf8(bytes).or_fail("read text")?;
    Ok(Seen {
        text,
        status: status.code(),
    })
}

pub(crate) fn sh(line: &str) -> Result<Seen, String> {
    finish(Command::new("/sh").arg("-c").arg(line))
}

/// Checks the output of command lines.
fn print(cases: &[(&str, &str)]) -> Outcome {
    for (line, expected) in cases {
        let seen = sh(line)?;
        expect_eq!(seen.text.as_str(), *expected, "what `{line}` prints");
    }
    Ok(())
}

/// Checks the exit status of command lines.
fn end(cases: &[(&str, i32)]) -> Outcome {
    for (line, expected) in cases {
        let seen = sh(line)?;
        expect_eq!(seen.status, *expected, "status of `{line}`");
    }
    Ok(())
}

fn commands() -> Outcome {
    print(&[
        ("echo hi", "hi\n"),
        ("/echo hi", "hi\n"),
        ("  echo   a  b  ", "a b\n"),
        ("echo a; echo b", "a\nb\n"),
        ("echo a;", "a\n"),
        ("echo a # echo b", "a\n"),
        ("echo a#b", "a#b\n"),
        ("# nothing", ""),
        ("", ""),
        ("echo a\necho b", "a\nb\n"),
    ])
}

fn status() -> Outcome {
    end(&[
        ("echo", 0),
        ("exit 7", 7),
        ("exit 7; echo", 7),
        ("cat missing", 1),
        ("cat missing; echo", 0),
        ("echo; cat missing", 1),
        ("cat missing; exit", 1),
        ("no-such-program", 127),
        ("/no/such/program", 127),
        ("echo | cat missing", 1),
        ("cat missing | cat", 0),
        ("(exit 3)", 3),
        ("", 0),
    ])
}

fn pipes() -> Outcome {
    print(&[
        ("echo hi | cat", "hi\n"),
        ("echo hi | wc", "1 1 3\n"),
        ("echo a b c | cat | cat | cat | wc", "1 3 6\n"),
        ("echo a | echo b", "b\n"),
        ("(echo a; echo b) | wc", "2 2 4\n"),
    ])
}

fn redirections() -> Outcome {
    print(&[
        ("echo one > file; cat file", "one\n"),
        ("echo two >> file; cat file", "one\ntwo\n"),
        ("echo three >file;cat<file", "three\n"),
        ("> empty; wc empty", "0 0 0 empty\n"),
        ("cat < file > copy; cat copy", "three\n"),
        ("(echo a; echo b) > both; cat both", "a\nb\n"),
        ("echo new >> fresh; cat fresh", "new\n"),
    ])?;
    end(&[
        ("cat < missing", 1),
        ("echo > missing/file", 1),
        ("> missing/file", 1),
    ])
}

fn quotes() -> Outcome {
    print(&[
        ("echo 'a  b'", "a  b\n"),
        ("echo \"a  b\"", "a  b\n"),
        ("echo 'a'\"b\"c", "abc\n"),
        ("echo '|;&<>()#'", "|;&<>()#\n"),
        ("echo \"it's\"", "it's\n"),
        ("echo 'say \"x\"'", "say \"x\"\n"),
        ("echo \"say \\\"x\\\"\"", "say \"x\"\n"),
        ("echo \\| a\\ \\ b", "| a  b\n"),
        ("echo '' x", " x\n"),
    ])
}

fn syntax_errors() -> Outcome {
    let lines = [
        "|",
        "echo |",
        "; echo",
        "echo >",
        "echo > | cat",
        "(echo",
        "echo)",
        "()",
        "'open",
        "\"open",
        "echo &&",
        "&& echo",
        "echo ;; echo",
        "echo \\",
        "& echo",
        "(echo) echo",
        "< > x",
    ];
    for line in lines {
        let seen = sh(line)?;
        expect_eq!(seen.status, 2, "status of `{line}`");
        expect_eq!(seen.text.as_str(), "", "what `{line}` prints");
        let message = fs::read_to_string("errors").or_fail("read its errors")?;
        expect!(
            message.starts_with("sh: syntax error: "),
            "a message for `{line}`, saw {message}"
        );
    }
    let deep = format!("{}echo{}", "(".repeat(5000), ")".repeat(5000));
    expect_eq!(sh(&deep[..3000])?.status, 2, "status of 3000 parentheses");
    Ok(())
}

fn groups() -> Outcome {
    print(&[
        ("(echo a)", "a\n"),
        ("((echo a); (echo b))", "a\nb\n"),
        ("(cd /); echo | cat", "\n"),
        ("(exit 3); echo on", "on\n"),
    ])
}

fn conditions() -> Outcome {
    print(&[
        ("echo a && echo b", "a\nb\n"),
        ("cat missing && echo b", ""),
        ("cat missing || echo b", "b\n"),
        ("echo a || echo b", "a\n"),
        ("cat missing && echo a || echo b", "b\n"),
    ])
}

fn background() -> Outcome {
    print(&[
        ("echo a > file & wait; cat file", "a\n"),
        ("(echo b; echo c) > file & wait; cat file", "b\nc\n"),
    ])?;
    end(&[("cat missing &", 0), ("exit 5 & wait", 0)])
}

fn directories() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d/file", b"in d\n").or_fail("write a file")?;
    print(&[
        ("cd d; cat file", "in d\n"),
        ("cd d; cd ..; cat d/file", "in d\n"),
        ("(cd d; cat file); cat d/file", "in d\nin d\n"),
    ])?;
    end(&[("cd missing", 1), ("cd d d", 1), ("cd", 0)])?;
    // The current directory is searched first.
    fs::write("d/echo", fs::read("/cat").or_fail("read a program")?).or_fail("write it")?;
    print(&[
        ("cd d; echo file", "in d\n"),
        ("cd d; /echo file", "file\n"),
    ])
}

fn script() -> Outcome {
    fs::write(
        "script",
        b"# a script\necho one\ncat missing\n\necho two > file; exit 4\necho three\n",
    )
    .or_fail("write a script")?;
    let seen = finish(Command::new("/sh").arg("script"))?;
    expect_eq!(
        (seen.text.as_str(), seen.status),
        ("one\n", 4),
        "what the script does"
    );
    let seen = finish(Command::new("/sh").arg("missing"))?;
    expect_eq!(seen.status, 2, "status of a missing script");
    Ok(())
}

/// Lines from standard input; a command reads the input after its line.
fn input() -> Outcome {
    fs::write("lines", b"echo one\ncat\nleft to cat\n").or_fail("write a file")?;
    let lines = File::open("lines").or_fail("open it")?;
    let seen = finish(Command::new("/sh").stdin(lines))?;
    expect_eq!(
        seen.text.as_str(),
        "one\nleft to cat\n",
        "what the lines print"
    );
    expect_eq!(seen.status, 0, "status at the end");
    Ok(())
}

fn long_line() -> Outcome {
    let word = "x".repeat(3000);
    let mut lines: Vec<u8> = format!("echo {word}\n").into_bytes();
    lines.extend(vec![b'y'; 100_000]);
    lines.extend_from_slice(b"\necho after\n");
    fs::write("lines", &lines).or_fail("write a file")?;
    let file = File::open("lines").or_fail("open it")?;
    let seen = finish(Command::new("/sh").stdin(file))?;
    let expected = format!("{word}\nafter\n");
    expect!(
        seen.text == expected,
        "both good lines to print, saw {} bytes",
        seen.text.len()
    );
    expect_eq!(seen.status, 0, "status at the end");
    Ok(())
}

/// When fork fails the shell reports it and goes on.
fn without_processes() -> Outcome {
    let mut child = Command::new("/sh")
        .stdin(Stdio::Piped)
        .stdout(Stdio::Piped)
        .stderr(File::create("errors").or_fail("create a file")?)
        .spawn()
        .or_fail("start a shell")?;
    let gate = harness::Gate::new()?;
    let mut started = 0;
    while ulib::process::fork_with(|| {
        gate.pass();
        0
    })
    .is_ok()
    {
        started += 1;
    }
    let mut stdin = child.stdin.take();
    if let Some(stdin) = &mut stdin {
        stdin
            .write_all(b"echo a\necho b | cat\necho c &\nexit 6\n")
            .or_fail("write lines")?;
    }
    let status = child.wait().or_fail("wait for the shell")?;
    gate.open();
    for _ in 0..started {
        ulib::process::wait().or_fail("wait")?;
    }
    expect_eq!(status.code(), 6, "status of the shell");
    let message = fs::read_to_string("errors").or_fail("read its errors")?;
    let lines = message
        .lines()
        .filter(|line| line.starts_with("sh: cannot fork"))
        .count();
    expect_eq!(lines, 3, "messages of the shell");
    Ok(())
}

/// The write end of a pipe without readers.
fn unread() -> Result<File, String> {
    let (_, write) = process::pipe().or_fail("create a pipe")?;
    Ok(write)
}

/// Programs exit silently on a broken pipe, with a status of its own; other write errors are
/// reported.
fn without_reader() -> Outcome {
    const BROKEN_PIPE: i32 = 141;
    fs::write("a", vec![b'x'; 10_000]).or_fail("write a file")?;
    fs::write("b", b"a line\nno newline").or_fail("write a file")?;
    let lines = [
        "echo x",
        "cat a",
        "cat b",
        "grep line b",
        "ls",
        "wc a",
        "free",
        "ps",
        "pmap 1",
        "(ls; ls)",
    ];
    for line in lines {
        let errors = File::create("errors").or_fail("create a file")?;
        let status = Command::new("/sh")
            .args(["-c", line])
            .stdout(unread()?)
            .stderr(errors)
            .status()
            .or_fail("run a program")?;
        expect_eq!(
            status.code(),
            BROKEN_PIPE,
            "status of `{line}` without a reader"
        );
        let message = fs::read_to_string("errors").or_fail("read its errors")?;
        expect_eq!(message.as_str(), "", "what `{line}` says without a reader");
    }
    let status = Command::new("/cat")
        .arg("missing")
        .stderr(unread()?)
        .status()
        .or_fail("run a program")?;
    expect_eq!(
        status.code(),
        BROKEN_PIPE,
        "status when nobody reads complaints"
    );

    // A read-only file is no pipe.
    for program in ["/cat", "/echo", "/ls"] {
        let errors = File::create("errors").or_fail("create a file")?;
        let status = Command::new(program)
            .arg("a")
            .stdout(File::open("a").or_fail("open a file")?)
            .stderr(errors)
            .status()
            .or_fail("run a program")?;
        expect!(
            status.code() != 0 && status.code() != BROKEN_PIPE,
            "{program} to fail otherwise without a file to write, saw {status}"
        );
        let message = fs::read("errors").or_fail("read its errors")?;
        expect!(!message.is_empty(), "{program} to say that it cannot write");
    }
    // A blocked writer when its reader exits.
    let seen = sh("cat a a a | exit 3")?;
    expect_eq!(seen.status, 3, "status of a pipe whose reader goes");
    let message = fs::read_to_string("errors").or_fail("read its errors")?;
    expect_eq!(message.as_str(), "", "what a pipe says whose reader goes");
    Ok(())
}

fn cat_and_wc() -> Outcome {
    fs::write("a", b"one two\nthree\n").or_fail("write a file")?;
    fs::write("b", b"four").or_fail("write a file")?;
    print(&[
        ("cat a b", "one two\nthree\nfour"),
        ("cat b a", "fourone two\nthree\n"),
        ("wc a", "2 3 14 a\n"),
        ("wc a b", "2 3 14 a\n0 1 4 b\n2 4 18 total\n"),
        ("wc < b", "0 1 4\n"),
    ])?;
    end(&[("cat a missing b", 1), ("wc missing", 1)])
}

fn grep() -> Outcome {
    fs::write("text", b"apple\nbanana\ncherry pie\n\na.b\nlast line").or_fail("write a file")?;
    print(&[
        ("grep an text", "banana\n"),
        ("grep ^a text", "apple\na.b\n"),
        ("grep e$ text", "apple\ncherry pie\nlast line\n"),
        ("grep ^$ text", "\n"),
        ("grep 'a.b' text", "a.b\n"),
        ("grep 'a\\.b' text", "a.b\n"),
        ("grep '^b.*a$' text", "banana\n"),
        ("grep 'ap*le' text", "apple\n"),
        ("grep 'apz*ple' text", "apple\n"),
        ("grep '[xyz]' text", "cherry pie\n"),
        ("grep '^[^a-k]' text", "last line\n"),
        ("cat text | grep pie", "cherry pie\n"),
        ("grep apple text text", "text:apple\ntext:apple\n"),
        ("grep '*' text", ""),
    ])?;
    end(&[
        ("grep a text", 0),
        ("grep nothing text", 1),
        ("grep a missing", 1),
        ("grep", 1),
    ])
}

fn ls() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d/file", b"12345").or_fail("write a file")?;
    let ino = fs::metadata("d/file").or_fail("stat it")?.stat().ino;
    let seen = sh("ls d")?.text;
    let lines: Vec<&str> = seen.lines().collect();
    let expected = format!("{:14} 2 {ino} 5", "file");
    expect_eq!(
        lines.get(2).copied(),
        Some(expected.as_str()),
        "third line of ls"
    );
    expect_eq!(lines.len(), 3, "lines of ls");
    expect_eq!(
        sh("ls d/file")?.text,
        format!("{expected}\n"),
        "ls of a file"
    );
    end(&[("ls missing", 1), ("ls", 0), ("ls /", 0)])
}

fn ln_rm_mkdir() -> Outcome {
    print(&[
        ("echo x > a; ln a b; rm a; cat b", "x\n"),
        ("mkdir d e; echo y > d/f; cat d/f; rm d/f d e; ls d", "y\n"),
    ])?;
    end(&[
        ("rm missing", 1),
        ("ln missing x", 1),
        ("mkdir b", 1),
        ("rm b", 0),
        ("kill 999999", 1),
    ])
}

fn usage_errors() -> Outcome {
    let lines = [
        "ln",
        "ln a",
        "ln a b c",
        "mkdir",
        "rm",
        "kill",
        "grep",
        "free -x",
        "halt x",
        "halt 1 2",
        "halt 256",
        "sh -x",
        "grind x",
        "grind 1 2 3",
        "usertests no-such-test",
    ];
    for line in lines {
        let seen = sh(line)?;
        expect_eq!(seen.status, 1, "status of `{line}`");
        let message = fs::read("errors").or_fail("read its errors")?;
        expect!(!message.is_empty(), "a message for `{line}`");
    }
    Ok(())
}
