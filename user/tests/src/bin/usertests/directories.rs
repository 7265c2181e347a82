//! Directories.

use harness::{Expect, Gate, Kid, Outcome, SCRATCH, Test, ends_with};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::vec::Vec;
use ulib::{env, format};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "directory-empty" = empty,
    "directory-of-hundreds" = hundreds,
    "directory-entries-reused" = entries_reused,
    "directory-not-empty" = not_empty,
    "directory-nested" = nested,
    "directory-written" = written,
    "directory-in-file" = in_file,
    "chdir" = chdir,
    "chdir-of-child" = chdir_of_child,
    "directory-removed-inside" = removed_inside,
    "directory-removed-open" = removed_open,
    "directory-links" = links;
    slow:;
};

fn names(path: &str) -> Result<Vec<Vec<u8>>, ulib::string::String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).or_fail("list a directory")? {
        names.push(Vec::from(entry.or_fail("read an entry")?.file_name()));
    }
    names.sort_unstable();
    Ok(names)
}

fn empty() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    let seen = names("d")?;
    expect!(
        seen.len() == 2 && seen[0] == b"." && seen[1] == b"..",
        "`.` and `..`, saw {seen:?}"
    );
    let inode = |path| fs::metadata(path).map(|about| about.stat().ino);
    expect_eq!(inode("d/."), inode("d"), "inode of the directory in itself");
    expect_eq!(
        inode("d/.."),
        inode("."),
        "inode of the directory around it"
    );
    Ok(())
}

fn hundreds() -> Outcome {
    const COUNT: usize = 300;
    let mut expected: Vec<Vec<u8>> = [".".into(), "..".into()]
        .into_iter()
        .chain((0..COUNT).map(|i| format!("f{i}").into()))
        .collect();
    expected.sort_unstable();
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d/f0", b"").or_fail("write a file")?;
    for i in 1..COUNT {
        fs::hard_link("d/f0", format!("d/f{i}")).or_fail("link")?;
    }
    let seen = names("d")?;
    expect!(
        seen == expected,
        "{} names, saw {}",
        expected.len(),
        seen.len()
    );
    for i in (0..COUNT).rev() {
        fs::remove_file(format!("d/f{i}")).or_fail(format!("remove f{i}"))?;
    }
    expect_eq!(names("d")?.len(), 2, "names left");
    fs::remove_dir("d").or_fail("remove the directory")
}

fn entries_reused() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    for i in 0..200 {
        fs::write(format!("d/file{i}"), b"").or_fail("write a file")?;
        fs::remove_file(format!("d/file{i}")).or_fail("remove it")?;
    }
    let length = fs::metadata("d").or_fail("stat the directory")?.len();
    expect_eq!(
        length,
        48,
        "bytes of a directory that held one file at a time"
    );
    Ok(())
}

fn not_empty() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::create_dir("d/e").or_fail("make one in it")?;
    expect!(
        fs::remove_dir("d").is_err(),
        "removing a directory with one in it to fail"
    );
    fs::write("d/e/file", b"").or_fail("write a file")?;
    expect!(
        fs::remove_dir("d/e").is_err(),
        "removing a directory with a file in it to fail"
    );
    fs::remove_file("d/e/file").or_fail("remove the file")?;
    fs::remove_dir("d/e").or_fail("remove the inner directory")?;
    fs::remove_dir("d").or_fail("remove the outer directory")
}

fn nested() -> Outcome {
    const DEPTH: usize = 50;
    for i in 0..DEPTH {
        fs::create_dir("d").or_fail(format!("make a directory at depth {i}"))?;
        env::set_current_dir("d").or_fail("go there")?;
    }
    fs::write("file", b"deep").or_fail("write a file")?;
    let path: ulib::string::String = (0..40).map(|_| "../").collect();
    expect!(
        fs::metadata(path).is_ok_and(|about| about.is_dir()),
        "the way up"
    );
    for _ in 0..DEPTH {
        env::set_current_dir("..").or_fail("go up")?;
    }
    let here = fs::metadata(".").map(|about| about.stat().ino);
    let start = fs::metadata(SCRATCH).map(|about| about.stat().ino);
    expect_eq!(here, start, "the inode where it began");
    Ok(())
}

fn written() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    expect!(
        File::options().write(true).open("d").is_err(),
        "opening it for writing to fail"
    );
    let both = File::options().read(true).write(true).open("d");
    expect!(both.is_err(), "opening it for reading and writing to fail");
    let mut read = File::open("d").or_fail("open it for reading")?;
    expect!(read.write(&[0; 16]).is_err(), "writing to it to fail");
    expect_eq!(
        read.read(&mut [0; 100]).or_fail("read it")?,
        32,
        "bytes of its two entries"
    );
    Ok(())
}

fn in_file() -> Outcome {
    fs::write("file", b"").or_fail("write a file")?;
    expect!(
        env::set_current_dir("file").is_err(),
        "chdir to a file to fail"
    );
    expect!(File::open("file/x").is_err(), "opening in a file to fail");
    expect!(
        File::create("file/x").is_err(),
        "creating a file in a file to fail"
    );
    expect!(
        fs::create_dir("file/x").is_err(),
        "creating a directory in a file to fail"
    );
    expect!(
        fs::remove_file("file/x").is_err(),
        "removing in a file to fail"
    );
    expect!(
        fs::hard_link("/echo", "file/x").is_err(),
        "linking into a file to fail"
    );
    Ok(())
}

fn chdir() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    expect!(
        env::set_current_dir("missing").is_err(),
        "chdir to a missing directory to fail"
    );
    env::set_current_dir("d").or_fail("chdir")?;
    fs::write("file", b"here").or_fail("write a file")?;
    env::set_current_dir("/").or_fail("chdir to the root")?;
    let seen = fs::read(format!("{SCRATCH}/d/file")).or_fail("read it from elsewhere")?;
    expect_eq!(seen.as_slice(), b"here", "the file");
    Ok(())
}

fn chdir_of_child() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    ends_with(0, "going elsewhere", || {
        i32::from(env::set_current_dir("d").is_err() || fs::write("file", b"").is_err())
    })?;
    expect!(File::open("file").is_err(), "the parent to have stayed");
    expect!(File::open("d/file").is_ok(), "the child's file");
    Ok(())
}

/// Nothing can be created in a removed current directory, and it can be left.
fn removed_inside() -> Outcome {
    for _ in 0..5 {
        fs::create_dir("d").or_fail("create a directory")?;
        env::set_current_dir("d").or_fail("go there")?;
        fs::remove_dir("../d").or_fail("remove it")?;
        expect!(
            fs::write("file", b"").is_err(),
            "creating a file there to fail"
        );
        expect!(
            fs::create_dir("e").is_err(),
            "creating a directory there to fail"
        );
        expect!(
            fs::hard_link("/echo", "f").is_err(),
            "linking there to fail"
        );
        ends_with(0, "living on there", || 0)?;
        env::set_current_dir(SCRATCH).or_fail("leave")?;
    }
    // A process that exits there.
    fs::create_dir("d").or_fail("create a directory")?;
    let gate = Gate::new()?;
    let child = Kid::start(|| {
        let there = env::set_current_dir("d").is_ok() && fs::remove_dir("../d").is_ok();
        gate.pass();
        i32::from(!there)
    })?;
    gate.open();
    child.ends_with(0, "ending there")
}

fn removed_open() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    let mut directory = File::open("d").or_fail("open it")?;
    fs::remove_dir("d").or_fail("remove it")?;
    expect!(
        directory.metadata().is_ok_and(|about| about.is_dir()),
        "it to be there still"
    );
    let n = directory.read(&mut [0; 100]).or_fail("read it")?;
    expect!(n <= 32, "at most the bytes it had, saw {n}");
    fs::create_dir("d").or_fail("create another with that name")?;
    fs::remove_dir("d").or_fail("remove that")
}

fn links() -> Outcome {
    let count = |path| fs::metadata(path).map(|about| about.stat().nlink);
    fs::create_dir("d").or_fail("create a directory")?;
    let before = count("d").or_fail("count its links")?;
    for name in ["d/a", "d/b"] {
        fs::create_dir(name).or_fail("make one in it")?;
    }
    expect_eq!(
        count("d"),
        Ok(before + 2),
        "links of a directory with two in it"
    );
    fs::remove_dir("d/a").or_fail("remove one")?;
    expect_eq!(
        count("d"),
        Ok(before + 1),
        "links of a directory with one in it"
    );
    Ok(())
}
