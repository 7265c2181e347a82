//! Links and names.

use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::fs::{self, File};
use ulib::io::{Read, Write};
use ulib::{format, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "link-and-unlink" = link_and_unlink,
    "link-what-may-not" = link_errors,
    "link-many" = link_many,
    "link-to-itself" = link_to_itself,
    "unlink-what-may-not" = unlink_errors,
    "create-existing" = create_existing,
    "names-of-14-bytes" = names_of_14,
    "odd-names" = odd_names,
    "empty-paths" = empty_paths,
    "slashes" = slashes;
    slow:;
};

fn link_and_unlink() -> Outcome {
    fs::write("one", b"text").or_fail("write a file")?;
    fs::hard_link("one", "two").or_fail("link")?;
    fs::remove_file("one").or_fail("remove the first name")?;
    expect!(File::open("one").is_err(), "the first name to be gone");
    expect_eq!(
        fs::read("two").or_fail("read by the second")?.as_slice(),
        b"text",
        "the file"
    );
    let mut file = File::options()
        .write(true)
        .open("two")
        .or_fail("open by the second")?;
    fs::hard_link("two", "three").or_fail("link")?;
    file.write_all(b"TE").or_fail("write")?;
    expect_eq!(
        fs::read("three").or_fail("read by the third")?.as_slice(),
        b"TExt",
        "the file"
    );
    Ok(())
}

fn link_errors() -> Outcome {
    fs::write("file", b"").or_fail("write a file")?;
    fs::write("other", b"").or_fail("write another")?;
    fs::create_dir("directory").or_fail("create a directory")?;
    let cases = [
        ("missing", "new", "a missing file"),
        ("file", "other", "to an existing name"),
        ("file", "directory", "to a directory's name"),
        ("file", "missing/new", "into a missing directory"),
        ("file", "other/new", "into a file"),
        ("directory", "new", "a directory"),
        (".", "new", "the current directory"),
        ("/console/x", "new", "something in a device"),
    ];
    for (old, new, what) in cases {
        expect!(fs::hard_link(old, new).is_err(), "linking {what} to fail");
    }
    let links = fs::metadata("file").or_fail("stat the file")?.stat().nlink;
    expect_eq!(links, 1, "links of the file after links that failed");
    expect!(fs::metadata("new").is_err(), "no new name");
    Ok(())
}

fn link_many() -> Outcome {
    fs::write("file", b"").or_fail("write a file")?;
    for i in 0..100 {
        fs::hard_link("file", format!("link{i}")).or_fail("link")?;
    }
    let links = fs::metadata("file").or_fail("stat the file")?.stat().nlink;
    expect_eq!(links, 101, "links of the file");
    for i in 0..100 {
        fs::remove_file(format!("link{i}")).or_fail("remove a name")?;
    }
    let links = fs::metadata("file").or_fail("stat the file")?.stat().nlink;
    expect_eq!(links, 1, "links of the file");
    Ok(())
}

fn link_to_itself() -> Outcome {
    fs::write("file", b"self").or_fail("write a file")?;
    expect!(
        fs::hard_link("file", "file").is_err(),
        "linking a file to itself to fail"
    );
    expect_eq!(
        fs::read("file").or_fail("read it")?.as_slice(),
        b"self",
        "the file"
    );
    Ok(())
}

fn unlink_errors() -> Outcome {
    fs::create_dir("directory").or_fail("create a directory")?;
    fs::write("directory/file", b"").or_fail("write a file in it")?;
    fs::write("file", b"").or_fail("write a file")?;
    let names = [
        "missing",
        "missing/x",
        "file/x",
        ".",
        "..",
        "directory/.",
        "directory/..",
        "directory",
        "/",
    ];
    for name in names {
        expect!(fs::remove_file(name).is_err(), "removing {name} to fail");
    }
    expect!(
        fs::metadata("directory/file").is_ok(),
        "the file in the directory to be there"
    );
    Ok(())
}

fn create_existing() -> Outcome {
    fs::write("file", b"old").or_fail("write a file")?;
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .open("file")
        .or_fail("open it")?;
    let mut bytes = [0; 3];
    file.read_exact(&mut bytes).or_fail("read it")?;
    expect_eq!(bytes, *b"old", "the file, opened to be made if missing");
    fs::create_dir("directory").or_fail("create a directory")?;
    expect!(
        fs::create_dir("directory").is_err(),
        "creating it twice to fail"
    );
    expect!(
        fs::create_dir("file").is_err(),
        "creating a directory of a file's name to fail"
    );
    expect!(
        File::create("directory").is_err(),
        "creating a file of a directory's name to fail"
    );
    let create_only = sys::open(c"directory".to_bytes_with_nul().as_ptr(), 0x200);
    expect_eq!(create_only, -1, "open of a directory to create it");
    Ok(())
}

/// Names are truncated to 14 bytes.
fn names_of_14() -> Outcome {
    let name = "12345678901234";
    fs::create_dir(name).or_fail("make a directory with a name of 14 bytes")?;
    fs::create_dir(format!("{name}/{name}5")).or_fail("make one of 15 in it")?;
    let file = format!("{name}5/{name}5/{name}5");
    fs::write(&file, b"deep").or_fail("write a file by names of 15 bytes")?;
    let seen = fs::read(format!("{name}/{name}/{name}")).or_fail("read it by names of 14")?;
    expect_eq!(seen.as_slice(), b"deep", "the file");
    let again = fs::create_dir(format!("{name}/{name}"));
    expect!(again.is_err(), "creating the inner directory twice to fail");
    Ok(())
}

fn odd_names() -> Outcome {
    let names: [&[u8]; 6] = [b" ", b"\xff\xfe", b"...", b"-", b"a b\nc", b"\x01"];
    for name in names {
        fs::write(name, name).or_fail(format!("write {}", name.escape_ascii()))?;
    }
    for name in names {
        let seen = fs::read(name).or_fail(format!("read {}", name.escape_ascii()))?;
        expect_eq!(seen.as_slice(), name, "the file of that name");
    }
    Ok(())
}

fn empty_paths() -> Outcome {
    let empty = c"".to_bytes_with_nul().as_ptr();
    fs::write("file", b"").or_fail("write a file")?;
    for _ in 0..60 {
        let cases = [
            ("mkdir", fs::create_dir("").is_err()),
            ("open to create", File::create("").is_err()),
            ("unlink", fs::remove_file("").is_err()),
            ("link to", fs::hard_link("file", "").is_err()),
            ("mknod", fs::make_device("", 1, 0).is_err()),
            (
                "exec",
                sys::exec(empty, [empty, core::ptr::null()].as_ptr()) == -1,
            ),
        ];
        for (call, refused) in cases {
            expect!(refused, "{call} of the empty path to fail");
        }
    }
    Ok(())
}

fn slashes() -> Outcome {
    fs::create_dir("d").or_fail("create a directory")?;
    fs::write("d//file", b"s").or_fail("write a file")?;
    for path in [
        "d/file",
        "./d/file",
        "d/./file",
        ".//d///file",
        "d/../d/file",
    ] {
        expect_eq!(
            fs::read(path).or_fail(format!("read {path}"))?.as_slice(),
            b"s",
            "{path}"
        );
    }
    expect!(
        fs::metadata("/../..").is_ok_and(|about| about.is_dir()),
        "the root above the root"
    );
    Ok(())
}
