//! setpgid, tcsetpgrp: permissions and effects.

use abi::{Errno, NO_GROUP};
use harness::{Expect, Gate, Kid, Outcome, Test, ends_with};
use harness::{expect, expect_eq, tests};
use ulib::fs::File;
use ulib::io::{Error, Result};
use ulib::process::{self, getpgid, setpgid, tcgetpgrp, tcsetpgrp};
use ulib::string::String;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "group-inherited" = inherited,
    "group-joined" = joined,
    "group-of-ended" = of_ended,
    "group-refused" = strangers,
    "foreground" = foreground,
    "foreground-refused" = foreground_refused;
    slow:;
};

const fn refused(reason: Errno) -> Result<()> {
    Err(Error::Kernel(reason))
}

const NO_PROCESS: Result<()> = refused(Errno::NoProcess);
const NOT_PERMITTED: Result<()> = refused(Errno::NotPermitted);

/// The group of a process.
fn group_of(pid: i32) -> core::result::Result<i32, String> {
    getpgid(pid).or_fail("get a group")
}

fn inherited() -> Outcome {
    let own = group_of(0)?;
    expect_eq!(group_of(process::id())?, own, "the same group by number");
    expect!(
        own != process::id(),
        "a process not to lead a group at first"
    );
    let same = || i32::from(getpgid(0) != Ok(own));
    ends_with(0, "a group taken over", same)?;
    ends_with(0, "groups of a new leader", || {
        let led = setpgid(0, 0).is_ok() && getpgid(0) == Ok(process::id());
        let leader = process::id();
        let follows = move || i32::from(getpgid(0) != Ok(leader));
        i32::from(!led || ends_with(0, "a group taken over", follows).is_err())
    })?;
    expect_eq!(group_of(0)?, own, "the group after that of a child");
    Ok(())
}

/// A parent moves children into a group.
fn joined() -> Outcome {
    let gate = Gate::new()?;
    let wait = || {
        gate.pass();
        0
    };
    let (first, second) = (Kid::start(wait)?, Kid::start(wait)?);
    setpgid(first.id(), 0).or_fail("name a group after a child")?;
    setpgid(second.id(), first.id()).or_fail("put a child into its sibling's group")?;
    expect_eq!(group_of(first.id())?, first.id(), "group of the first");
    expect_eq!(group_of(second.id())?, first.id(), "group of the second");
    setpgid(second.id(), second.id()).or_fail("name a group by its number")?;
    expect_eq!(group_of(second.id())?, second.id(), "its own group");
    setpgid(second.id(), group_of(0)?).or_fail("take a child back")?;
    gate.open();
    first.ends_with(0, "the first")?;
    second.ends_with(0, "the second")
}

/// A zombie leader keeps its group until reaped.
fn of_ended() -> Outcome {
    let leader = Kid::start(|| i32::from(setpgid(0, 0).is_err()))?;
    let number = leader.id();
    while !has_ended(number) {
        ulib::thread::sleep_ticks(1);
    }
    expect_eq!(group_of(number)?, number, "group of an ended process");
    let member = Kid::spinning()?;
    setpgid(member.id(), number).or_fail("join an ended leader")?;
    leader.ends_with(0, "the leader")?;
    expect_eq!(group_of(member.id())?, number, "group without its leader");
    let late = Kid::spinning()?;
    setpgid(late.id(), number).or_fail("join a group without its leader")?;
    member.kill("the member")?;
    late.kill("the late one")?;
    let nobody = Kid::spinning()?;
    let joins = setpgid(nobody.id(), number);
    expect!(joins.is_err(), "a group without members not to be there");
    nobody.kill("nobody's")
}

fn has_ended(pid: i32) -> bool {
    let state = ulib::inspect::process(pid).map(|info| info.state);
    state == Ok(abi::ProcState::Ended as u32)
}

fn strangers() -> Outcome {
    let own = group_of(0)?;
    let parent = ulib::inspect::process(process::id()).or_fail("query this process")?;
    for pid in [1, parent.parent, -1, i32::MIN, i32::MAX] {
        let seen = setpgid(pid, 0);
        expect_eq!(seen, NO_PROCESS, "a group for process {pid}");
    }
    for group in [-1, i32::MIN, i32::MAX, process::id() + 10_000] {
        let seen = setpgid(0, group);
        expect_eq!(seen, NOT_PERMITTED, "group {group}");
    }
    for pid in [-1, i32::MAX] {
        expect!(getpgid(pid).is_err(), "no group of process {pid}");
    }
    // Only a parent may move its children.
    let gate = Gate::new()?;
    let (mut read, mut write) = process::pipe().or_fail("create a pipe")?;
    let child = Kid::start(|| {
        let pass = || {
            gate.pass();
            0
        };
        let Ok(grandchild) = Kid::start(pass) else {
            return 1;
        };
        gate.leave();
        let told = ulib::io::Write::write_all(&mut write, &grandchild.id().to_le_bytes());
        i32::from(told.is_err() || grandchild.wait().is_err())
    })?;
    let mut number = [0; 4];
    ulib::io::Read::read_exact(&mut read, &mut number).or_fail("read a grandchild's process ID")?;
    let grandchild = i32::from_le_bytes(number);
    expect!(
        setpgid(grandchild, 0).is_err(),
        "a grandchild to be refused"
    );
    gate.open();
    child.ends_with(0, "a child with a child")?;
    expect_eq!(group_of(0)?, own, "the group after all that");
    Ok(())
}

fn terminal() -> core::result::Result<File, String> {
    File::open("/console").or_fail("open the console")
}

fn foreground() -> Outcome {
    let terminal = terminal()?;
    let fd = terminal.as_raw_fd();
    let before = tcgetpgrp(fd).or_fail("get the foreground group")?;
    let own = group_of(0)?;
    let seen = ends_with(0, "foregrounds", || {
        let sets = |group| tcsetpgrp(fd, group).is_ok() && tcgetpgrp(fd) == Ok(group);
        let own = setpgid(0, 0).is_ok() && sets(process::id());
        i32::from(!own || !sets(NO_GROUP))
    });
    tcsetpgrp(fd, own).or_fail("set the foreground group")?;
    tcsetpgrp(fd, before).or_fail("restore the foreground group")?;
    seen
}

fn foreground_refused() -> Outcome {
    let terminal = terminal()?;
    let (read, write) = process::pipe().or_fail("create a pipe")?;
    let file = File::create("file").or_fail("create a file")?;
    for other in [&read, &write, &file] {
        let fd = other.as_raw_fd();
        expect!(tcgetpgrp(fd).is_err(), "no foreground of a file");
        let seen = tcsetpgrp(fd, NO_GROUP);
        expect_eq!(seen, refused(Errno::NotTerminal), "foreground of a file");
    }
    expect!(tcgetpgrp(99).is_err(), "no foreground of a file not open");
    let before = tcgetpgrp(terminal.as_raw_fd()).or_fail("get the foreground group")?;
    for group in [-1, i32::MIN, i32::MAX] {
        let seen = tcsetpgrp(terminal.as_raw_fd(), group);
        expect_eq!(seen, NOT_PERMITTED, "group {group} in the foreground");
    }
    let after = tcgetpgrp(terminal.as_raw_fd()).or_fail("get the foreground group")?;
    expect_eq!(after, before, "the foreground after all that");
    Ok(())
}
