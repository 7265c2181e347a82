//! Missing processes, invalid buffers, and layouts of other versions.

use crate::ask::answers;
use abi::{MemInfo, PAGE_SIZE, ProcInfo, ProcInfoFlags, RegionInfo, TableEntry};
use core::mem::offset_of;
use harness::{Expect, Outcome, Test};
use harness::{expect, expect_eq, tests};
use ulib::mem::Mapping;
use ulib::sys;

pub(crate) const TESTS: &[Test] = tests! {
    quick:
    "bad-numbers" = bad_numbers,
    "bad-buffers" = bad_buffers,
    "older-callers" = older_callers;
    slow:;
};

fn bad_numbers() -> Outcome {
    for pid in [0, -1, i32::MIN, i32::MAX, 1_000_000] {
        expect_eq!(answers(pid), [-1; 3], "answers about process {pid}");
    }
    let size = size_of::<ProcInfo>();
    expect_eq!(answers(1), [size as isize, 1, 1], "answers about process 1");
    let mut info = ProcInfo::default();
    let next = ProcInfoFlags::NEXT.bits();
    // SAFETY: the buffer is ours.
    unsafe {
        for (pid, flags, what) in [
            (1, 2, "a process among the kernel's threads"),
            (-1000, 2, "too many of the kernel's threads"),
            (1, 4, "an unknown flag"),
            (1, u32::MAX, "all flags"),
            (i32::MAX, next, "no later process"),
        ] {
            expect_eq!(sys::procinfo(pid, &mut info, size, flags), -1, "{what}");
        }
        expect_eq!(info, ProcInfo::default(), "stored by failed calls");
        expect_eq!(
            sys::procinfo(i32::MIN, &mut info, size, next),
            size as isize,
            "the first process"
        );
    }
    expect_eq!(info.pid, 1, "its number");
    Ok(())
}

fn bad_buffers() -> Outcome {
    let pid = sys::getpid() as i32;
    let mapping = Mapping::anonymous(2 * PAGE_SIZE).or_fail("map memory")?;
    let end = mapping.as_ptr() as usize + 2 * PAGE_SIZE;
    let bad = [
        0,
        bad_buffers as *const () as usize,
        end,
        end - 8,
        abi::USER_TOP as usize,
        abi::USER_TOP as usize - 8,
        1 << 63,
        usize::MAX - 7,
    ];
    for address in bad {
        // SAFETY: nothing of ours can be written at these addresses, save bytes of the mapping.
        let seen = unsafe {
            [
                sys::procinfo(pid, address as *mut ProcInfo, size_of::<ProcInfo>(), 0),
                sys::regions(
                    pid,
                    0,
                    address as *mut RegionInfo,
                    3,
                    size_of::<RegionInfo>(),
                ),
                sys::pagetable(
                    pid,
                    TableEntry::START as usize,
                    address as *mut TableEntry,
                    3,
                ),
                sys::meminfo(address as *mut MemInfo, size_of::<MemInfo>(), 0),
            ]
        };
        expect_eq!(seen, [-1; 4], "answers into a buffer at {address:#x}");
    }
    let to = mapping.as_ptr() as usize as *mut RegionInfo;
    let one = size_of::<RegionInfo>();
    // SAFETY: the counts and sizes are refused; the rest is the mapping's.
    unsafe {
        for (count, size) in [
            (1, 0),
            (usize::MAX, one),
            (1 << 31, one),
            (1, usize::MAX),
            (1 << 30, 1 << 40),
        ] {
            expect_eq!(
                sys::regions(pid, 0, to, count, size),
                -1,
                "{count} records of {size} bytes"
            );
        }
        expect_eq!(sys::regions(pid, 0, to, 0, one), 0, "no record");
        expect_eq!(
            sys::regions(pid, usize::MAX, to, 1, one),
            0,
            "records past all addresses"
        );
        expect_eq!(
            sys::pagetable(pid, 4, to.cast(), usize::MAX),
            -1,
            "too many entries"
        );
    }
    Ok(())
}

/// Calls with the sizes of older and newer layouts.
fn older_callers() -> Outcome {
    let mut bytes = [0xa5u8; 2 * size_of::<MemInfo>()];
    let to = bytes.as_mut_ptr();
    let second = offset_of!(MemInfo, image);
    for size in [0, 8, offset_of!(MemInfo, cpu_cached), second, bytes.len()] {
        bytes_again(to, 2 * size_of::<MemInfo>());
        // SAFETY: the buffer is ours and as large as is said.
        let seen = unsafe { sys::meminfo(to.cast(), size, 0) };
        expect_eq!(
            seen,
            size_of::<MemInfo>() as isize,
            "meminfo of {size} bytes"
        );
        stored(&bytes, size.min(size_of::<MemInfo>()), "meminfo")?;
    }
    let pid = sys::getpid() as i32;
    for size in [0, 8, 12, size_of::<ProcInfo>(), bytes.len()] {
        bytes_again(to, 2 * size_of::<MemInfo>());
        // SAFETY: as above.
        let seen = unsafe { sys::procinfo(pid, to.cast(), size, 0) };
        expect_eq!(
            seen,
            size_of::<ProcInfo>() as isize,
            "procinfo of {size} bytes"
        );
        stored(&bytes, size.min(size_of::<ProcInfo>()), "procinfo")?;
    }
    Ok(())
}

fn bytes_again(to: *mut u8, length: usize) {
    // SAFETY: the caller's buffer, of this length.
    unsafe { to.write_bytes(0xa5, length) };
}

/// Checks that the first `length` bytes were stored, starting with the version, and no more.
fn stored(bytes: &[u8], length: usize, what: &str) -> Outcome {
    expect!(
        length < 8 || bytes[..8] != [0xa5; 8],
        "a version from {what} of {length} bytes"
    );
    expect!(
        bytes[length..].iter().all(|&byte| byte == 0xa5),
        "nothing stored by {what} after byte {length}"
    );
    Ok(())
}
