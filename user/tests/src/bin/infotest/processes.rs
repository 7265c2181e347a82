//! Process states, and processes that start and exit while listed.

use crate::ask::answers;
use abi::{ProcInfo, ProcState};
use harness::random::Random;
use harness::{Expect, Gate, Kid, Outcome, Test, grow_touched};
use harness::{expect, expect_eq, tests};
use ulib::vec::Vec;
use ulib::{inspect, process, sys};

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "states" = states,
    "zombies" = zombies;
    slow:
    "comings-and-goings" = comings_and_goings;
};

fn states() -> Outcome {
    let gate = Gate::new()?;
    let waiting = Kid::start(|| {
        gate.pass();
        0
    })?;
    let spinning = Kid::spinning()?;
    for (child, expected) in [
        (&waiting, &[ProcState::Sleeping][..]),
        (&spinning, &[ProcState::Running, ProcState::Ready][..]),
    ] {
        let mut seen = None;
        for _ in 0..20 {
            let info = inspect::process(child.id()).or_fail("query a child")?;
            expect_eq!(info.parent, sys::getpid() as i32, "the child's parent");
            expect_eq!(&info.name, b"infotest\0\0\0\0\0\0\0\0", "the child's name");
            seen = ProcState::from_number(info.state);
            if seen.is_some_and(|state| expected.contains(&state)) {
                break;
            }
            ulib::thread::sleep_ticks(1);
        }
        expect!(
            seen.is_some_and(|state| expected.contains(&state)),
            "one of {expected:?}, saw {seen:?}"
        );
    }
    let kernel = inspect::kernel_threads().any(|info| info.name.starts_with(b"writeback"));
    expect!(kernel, "the thread that writes back in the list");
    let listed = inspect::processes().filter(|info| info.parent == sys::getpid() as i32);
    expect_eq!(listed.count(), 2, "children in the list");
    spinning.kill("spinning")?;
    gate.open();
    waiting.ends_with(0, "waiting")
}

/// A zombie has a record and no memory.
fn zombies() -> Outcome {
    let child = Kid::start(|| 0)?;
    let mut info = ProcInfo::default();
    for _ in 0..30 {
        info = inspect::process(child.id()).or_fail("query a child")?;
        if info.state == ProcState::Ended as u32 {
            break;
        }
        ulib::thread::sleep_ticks(1);
    }
    expect_eq!(info.state, ProcState::Ended as u32, "the child's state");
    expect_eq!(
        [info.resident, info.size, info.regions, info.page_tables],
        [0; 4],
        "its memory"
    );
    expect_eq!(
        answers(child.id()).split_at(1).1,
        [0, 0],
        "its regions and its page table"
    );
    let pid = child.id();
    child.ends_with(0, "nothing")?;
    expect_eq!(answers(pid), [-1; 3], "answers once it is reaped");
    Ok(())
}

/// Children start, exec, fork and exit while all processes are listed.
fn comings_and_goings() -> Outcome {
    let stop = Gate::new()?;
    let mut busy = Vec::new();
    for number in 0..3 {
        busy.push(Kid::start(|| {
            stop.leave();
            for round in 0..60 {
                let Ok(child) = process::fork_with(|| {
                    if (round + number) % 3 == 0 {
                        let _ = process::Command::new("/echo").arg("-").output();
                    }
                    let _ = grow_touched(round % 30);
                    0
                }) else {
                    continue;
                };
                let _ = process::wait_for(child);
            }
            0
        })?);
    }
    let mut random = Random::new(3);
    let mut looks = 0;
    let mut newest = 0;
    while busy
        .iter()
        .any(|child| inspect::process(child.id()).is_ok_and(|info| info.state != 5))
    {
        for info in inspect::processes() {
            newest = info.pid.max(newest);
            expect!(
                info.resident <= info.size && info.shared <= info.resident,
                "no more pages shared than resident than mapped, saw {info:?}"
            );
            looks += 1;
        }
        for _ in 0..10 {
            let pid = newest - 4 + random.below(8) as i32;
            if let Ok(regions) = inspect::regions(pid) {
                looks += regions.count();
            }
            if let Ok(entries) = inspect::page_table(pid) {
                looks += entries.count();
            }
        }
    }
    expect!(looks > 100, "many looks, saw {looks}");
    stop.open();
    busy.into_iter()
        .try_for_each(|child| child.ends_with(0, "forking"))
}
