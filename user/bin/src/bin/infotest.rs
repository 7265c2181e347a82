//! `infotest [NAME…]`: what the kernel tells about memory and processes, compared with what they do.
#![no_std]
#![no_main]

use abi::{
    Event, MapFlags, MemInfo, MemInfoFlags, PAGE_SIZE, ProcInfo, ProcInfoFlags, ProcState, Prot,
    RegionInfo, RegionUse, TableEntry,
};
use core::mem::offset_of;
use programs::harness::{Expect, Gate, Kid, Outcome, Tally, Test, grow_touched, peek, poke, suite};
use programs::random::Random;
use programs::{expect, expect_eq, tests};
use ulib::fs;
use ulib::inspect;
use ulib::mem::{self, Mapping};
use ulib::string::String;
use ulib::vec::Vec;
use ulib::{main, process, sys, vec};

main!(main);

const TESTS: &[Test] = tests! {
    quick:
    "touching" = touching,
    "reading" = reading,
    "anonymous" = anonymous,
    "fork-shares" = fork_shares,
    "copies" = copies,
    "shared-memory" = shared_memory,
    "kinds" = kinds,
    "bad-numbers" = bad_numbers,
    "bad-buffers" = bad_buffers,
    "older-callers" = older_callers,
    "strides" = strides,
    "pieces" = pieces,
    "page-table" = page_table,
    "any-place" = any_place,
    "states" = states,
    "zombies" = zombies,
    "events" = events,
    "uses" = uses;
    slow:
    "many-regions" = many_regions,
    "comings-and-goings" = comings_and_goings;
};

fn main() -> i32 {
    suite(&[TESTS])
}

/// What the machine does beside a test, in events.
const NOISE: u64 = 64;

fn own() -> Result<ProcInfo, String> {
    inspect::process(sys::getpid() as i32).or_fail("ask about this process")
}

/// The region that an address lies in, of this process or another.
fn region(pid: i32, address: usize) -> Result<RegionInfo, String> {
    let mut regions = inspect::regions(pid).or_fail("list regions")?;
    let address = address as u64;
    regions
        .find(|region| region.start <= address && address < region.end)
        .ok_or_else(|| ulib::format!("expected a region of process {pid} at {address:#x}"))
}

fn own_region(memory: &Mapping) -> Result<RegionInfo, String> {
    region(sys::getpid() as i32, memory.as_ptr() as usize)
}

fn touch(memory: &mut Mapping, pages: usize) {
    memory
        .iter_mut()
        .step_by(PAGE_SIZE)
        .take(pages)
        .for_each(|byte| *byte += 1);
}

fn count(event: Event) -> Result<u64, String> {
    let info = mem::info(MemInfoFlags::empty()).or_fail("read the counts")?;
    Ok(info.events[event as usize])
}

/// Twice, because pages of the program itself come in the first time.
fn touching() -> Outcome {
    let _ = touch_and_compare();
    touch_and_compare()
}

fn touch_and_compare() -> Outcome {
    let before = own()?;
    grow_touched(50)?;
    let after = own()?;
    expect_eq!(
        after.resident,
        before.resident + 50,
        "resident pages after 50 were touched"
    );
    expect!(
        after.size >= before.size + 50,
        "a size of at least {} pages, saw {}",
        before.size + 50,
        after.size
    );
    let mut memory = Mapping::anonymous(40 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 30);
    let seen = own_region(&memory)?;
    expect_eq!(seen.resident, 30, "resident pages of a mapping");
    expect_eq!(seen.shared, 0, "shared pages of a mapping");
    expect_eq!(
        own()?.resident,
        after.resident + 30,
        "resident pages with the mapping's"
    );
    drop(memory);
    expect_eq!(
        own()?.resident,
        after.resident,
        "resident pages without the mapping"
    );
    Ok(())
}

fn reading() -> Outcome {
    let memory = Mapping::anonymous(20 * PAGE_SIZE).or_fail("map memory")?;
    let before = own()?;
    let shown = count(Event::ZeroPage)?;
    for page in 0..15 {
        peek(memory.as_ptr() as usize + page * PAGE_SIZE);
    }
    let shown = count(Event::ZeroPage)? - shown;
    expect!(
        (15..15 + NOISE).contains(&shown),
        "about 15 pages shown the common zeroes, saw {shown}"
    );
    let seen = own_region(&memory)?;
    expect_eq!(
        (seen.resident, seen.zero),
        (0, 15),
        "resident and zero pages of a mapping that was only read"
    );
    expect_eq!(own()?.zero, before.zero + 15, "zero pages of the process");
    Ok(())
}

/// The machine's numbers, as far as nothing else goes on.
fn anonymous() -> Outcome {
    let flags = MemInfoFlags::DROP_CACHES;
    let before = mem::info(flags).or_fail("count")?;
    let mut memory = Mapping::anonymous(300 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 300);
    let after = mem::info(flags).or_fail("count")?;
    let more = after.anonymous - before.anonymous;
    expect!(
        (300..310).contains(&more),
        "about 300 anonymous pages more, saw {more}"
    );
    let less = before.free - after.free;
    expect!(
        (300..320).contains(&less),
        "about 300 free pages less, saw {less}"
    );
    let filled = after.events[Event::ZeroFill as usize] - before.events[Event::ZeroFill as usize];
    expect!(
        (300..300 + NOISE).contains(&filled),
        "about 300 pages filled with zeroes, saw {filled}"
    );
    Ok(())
}

fn fork_shares() -> Outcome {
    let mut memory = Mapping::anonymous(64 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 48);
    let gate = Gate::new()?;
    let tally = Tally::new()?;
    let child = Kid::start(|| {
        touch(&mut memory, 10);
        tally.report(1);
        gate.pass();
        0
    })?;
    let mut reports = tally.listen();
    reports.hear()?;
    let address = memory.as_ptr() as usize;
    let (ours, theirs) = (own_region(&memory)?, region(child.id(), address)?);
    expect_eq!(theirs.resident, 48, "resident pages of the child");
    expect_eq!(
        (ours.shared, theirs.shared),
        (38, 38),
        "shared pages of parent and child after 10 writes"
    );
    gate.open();
    child.ends_with(0, "writing shared pages")?;
    expect_eq!(
        own_region(&memory)?.shared,
        0,
        "shared pages without the child"
    );
    Ok(())
}

fn copies() -> Outcome {
    let mut memory = Mapping::anonymous(100 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 100);
    let before = count(Event::Copy)?;
    Kid::start(|| {
        touch(&mut memory, 90);
        0
    })?
    .ends_with(0, "writing shared pages")?;
    let copied = count(Event::Copy)? - before;
    expect!(
        (90..90 + NOISE).contains(&copied),
        "about 90 copies on write, saw {copied}"
    );
    let (saved, before) = (count(Event::LastOwner)?, count(Event::Copy)?);
    touch(&mut memory, 100);
    let (saved, copied) = (
        count(Event::LastOwner)? - saved,
        count(Event::Copy)? - before,
    );
    expect!(
        saved >= 100 && copied < NOISE,
        "100 pages taken by their last owner, saw {saved}, and {copied} copies"
    );
    Ok(())
}

fn shared_memory() -> Outcome {
    let flags = MapFlags::SHARED | MapFlags::ANONYMOUS;
    let length = 12 * PAGE_SIZE;
    // SAFETY: without `FIXED` nothing is replaced.
    let base = unsafe { mem::mmap(0, length, Prot::READ | Prot::WRITE, flags, -1, 0) };
    let base = base.or_fail("map shared memory")?.as_ptr();
    for page in 0..7 {
        // SAFETY: the mapping is ours.
        unsafe { poke(base as usize + page * PAGE_SIZE, 1) };
    }
    let seen = region(sys::getpid() as i32, base as usize)?;
    expect_eq!(seen.kind, RegionUse::Shared as u32, "the kind");
    expect_eq!(
        (seen.resident, seen.shared),
        (7, 7),
        "resident and shared pages"
    );
    // SAFETY: nothing is in there.
    unsafe { mem::munmap(base, length) }.or_fail("unmap it")
}

fn kinds() -> Outcome {
    let memory = Mapping::anonymous(PAGE_SIZE).or_fail("map memory")?;
    let file = fs::metadata("/infotest").or_fail("look at the program")?;
    let pid = sys::getpid() as i32;
    let local = 0;
    for (what, address, kind, prot) in [
        (
            "code",
            kinds as *const () as usize,
            RegionUse::Text,
            Prot::READ | Prot::EXEC,
        ),
        (
            "a constant",
            TESTS.as_ptr() as usize,
            RegionUse::Text,
            Prot::READ,
        ),
        (
            "a local",
            &raw const local as usize,
            RegionUse::Stack,
            Prot::READ | Prot::WRITE,
        ),
        (
            "a mapping",
            memory.as_ptr() as usize,
            RegionUse::Private,
            Prot::READ | Prot::WRITE,
        ),
        (
            "the heap",
            vec![1u8].as_ptr() as usize,
            RegionUse::Heap,
            Prot::READ | Prot::WRITE,
        ),
    ] {
        let seen = region(pid, address)?;
        expect_eq!(seen.kind, kind as u32, "kind of the region of {what}");
        expect_eq!(seen.prot, prot.bits(), "protection of the region of {what}");
        let from_file = kind == RegionUse::Text;
        expect_eq!(
            seen.inode,
            if from_file { file.stat().ino } else { 0 },
            "inode of the region of {what}"
        );
    }
    let mut end = 0;
    for seen in inspect::regions(pid).or_fail("list regions")? {
        expect!(
            end <= seen.start && seen.start < seen.end,
            "regions in order, saw {:#x} behind {end:#x}",
            seen.start
        );
        end = seen.end;
    }
    Ok(())
}

/// All three calls about a process, with good buffers.
fn answers(pid: i32) -> [isize; 3] {
    let mut info = ProcInfo::default();
    let mut region = RegionInfo::default();
    let mut entry = TableEntry::default();
    // SAFETY: the buffers are ours.
    unsafe {
        [
            sys::procinfo(pid, &mut info, size_of::<ProcInfo>(), 0),
            sys::regions(pid, 0, &mut region, 1, size_of::<RegionInfo>()),
            sys::pagetable(pid, TableEntry::START as usize, &mut entry, 1),
        ]
    }
}

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
            (1, 2, "an unknown flag"),
            (1, u32::MAX, "all flags"),
            (i32::MAX, next, "no process behind"),
        ] {
            expect_eq!(sys::procinfo(pid, &mut info, size, flags), -1, "{what}");
        }
        expect_eq!(info, ProcInfo::default(), "what refused calls stored");
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
            "records behind all addresses"
        );
        expect_eq!(
            sys::pagetable(pid, 4, to.cast(), usize::MAX),
            -1,
            "too many entries"
        );
    }
    Ok(())
}

/// Calls with the sizes of older and of newer layouts.
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

/// Checks that a version and what follows was stored in the first `length` bytes, and nothing behind.
fn stored(bytes: &[u8], length: usize, what: &str) -> Outcome {
    expect!(
        length < 8 || bytes[..8] != [0xa5; 8],
        "a version from {what} of {length} bytes"
    );
    expect!(
        bytes[length..].iter().all(|&byte| byte == 0xa5),
        "nothing stored by {what} behind byte {length}"
    );
    Ok(())
}

/// Regions with records shorter and longer than the kernel's.
fn strides() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut whole = [RegionInfo::default(); 32];
    let size = size_of::<RegionInfo>();
    // SAFETY: the buffer is ours.
    let count = unsafe { sys::regions(pid, 0, whole.as_mut_ptr(), whole.len(), size) };
    expect!((4..32).contains(&count), "some regions, saw {count}");
    for words in [2, size / 8, size / 8 + 3] {
        let mut other = vec![u64::MAX; words * 32];
        // SAFETY: as above.
        let seen = unsafe { sys::regions(pid, 0, other.as_mut_ptr().cast(), 32, words * 8) };
        expect_eq!(seen, count, "regions with records of {words} words");
        for (n, (record, region)) in other.chunks(words).zip(&whole).enumerate() {
            let known = n < count as usize;
            let expected = if known {
                [region.start, region.end]
            } else {
                [u64::MAX; 2]
            };
            expect_eq!(
                [record[0], record[1]],
                expected,
                "record {n} of {words} words"
            );
            let behind = record.iter().skip(size / 8);
            expect!(
                behind.clone().all(|&word| word == u64::MAX),
                "nothing behind record {n}, saw {behind:x?}"
            );
        }
    }
    Ok(())
}

/// Read in whatever pieces, a listing is the same.
fn pieces() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut memory = Mapping::anonymous(30 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 25);
    let mut whole = Vec::new();
    for _ in 0..3 {
        // More than once, so that the list has its memory before the last time.
        whole.clear();
        whole.extend(inspect::page_table(pid).or_fail("list")?);
    }
    for most in [1, 3, 8, 9] {
        let mut after = TableEntry::START;
        let mut seen = 0;
        loop {
            let mut piece = [TableEntry::default(); 9];
            // SAFETY: the buffer is ours.
            let count = unsafe { sys::pagetable(pid, after as usize, piece.as_mut_ptr(), most) };
            expect!((0..=most as isize).contains(&count), "entries, saw {count}");
            for entry in &piece[..count as usize] {
                let same = whole
                    .get(seen)
                    .is_some_and(|other| other.place == entry.place);
                expect!(
                    same,
                    "entry {seen} in pieces of {most} as in the whole list, saw {entry:x?}"
                );
                (after, seen) = (entry.place, seen + 1);
            }
            if count < most as isize {
                break;
            }
        }
        expect_eq!(seen, whole.len(), "entries in pieces of {most}");
    }
    Ok(())
}

fn page_table() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut memory = Mapping::anonymous(600 * PAGE_SIZE).or_fail("map memory")?;
    touch(&mut memory, 580);
    let mut found = Vec::with_capacity(2000);
    let mut info = own()?;
    for _ in 0..2 {
        // Twice, because pages of the program itself come in the first time.
        found.clear();
        found.extend(inspect::page_table(pid).or_fail("list")?);
        info = own()?;
    }
    let [mut tables, mut pages] = [1, 0];
    for entry in &found {
        match (entry.level(), entry.bits & 0b1111) {
            (TableEntry::ROOT, _) => expect_eq!(entry.place, 3, "place of the root"),
            (_, 1) => tables += 1,
            (level, _) => {
                pages += 1 << (9 * level);
                region(pid, entry.address() as usize)?;
            }
        }
        expect!(
            entry.bits & 1 == 0 || entry.physical() >= 1 << 31,
            "an address in RAM, saw {entry:x?}"
        );
    }
    expect_eq!(
        found[0].level(),
        TableEntry::ROOT,
        "level of the first record"
    );
    expect_eq!(tables, info.page_tables, "pages of page table");
    expect_eq!(pages, info.resident + info.zero, "pages in the page table");
    let addresses = found[1..].iter().map(|entry| entry.address());
    expect!(addresses.is_sorted(), "entries in order of address");
    Ok(())
}

/// Whatever place a caller names, an answer comes and it goes forwards.
fn any_place() -> Outcome {
    let pid = sys::getpid() as i32;
    let mut random = Random::new(5);
    for _ in 0..2000 {
        let shift = random.below(64);
        let place = random.number() >> shift;
        let mut entry = TableEntry::default();
        let mut region = RegionInfo::default();
        // SAFETY: the buffers are ours.
        let seen = unsafe {
            [
                sys::pagetable(pid, place as usize, &mut entry, 1),
                sys::regions(pid, place as usize, &mut region, 1, size_of::<RegionInfo>()),
            ]
        };
        expect!(
            seen.iter().all(|count| (0..=1).contains(count)),
            "0 or 1 record from {place:#x}, saw {seen:?}"
        );
        expect!(
            seen[1] == 0 || region.end > place,
            "a region that ends above {place:#x}, saw {region:x?}"
        );
        let spanned = 1u64 << (12 + 9 * (place as u32 & 7).min(2));
        expect!(
            seen[0] == 0 || place & 7 > 2 || entry.address() >= place & !(spanned - 1),
            "an entry behind {place:#x}, saw {entry:x?}"
        );
    }
    Ok(())
}

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
            let info = inspect::process(child.id()).or_fail("ask about a child")?;
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
    let listed = inspect::processes().filter(|info| info.parent == sys::getpid() as i32);
    expect_eq!(listed.count(), 2, "children in the list");
    spinning.kill("spinning")?;
    gate.open();
    waiting.ends_with(0, "waiting")
}

/// Of an ended process there is the record, and no memory.
fn zombies() -> Outcome {
    let child = Kid::start(|| 0)?;
    let mut info = ProcInfo::default();
    for _ in 0..30 {
        info = inspect::process(child.id()).or_fail("ask about a child")?;
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
    expect_eq!(answers(pid), [-1; 3], "answers when it was collected");
    Ok(())
}

fn events() -> Outcome {
    let before = count(Event::Call)?;
    for _ in 0..500 {
        sys::getpid();
    }
    let calls = count(Event::Call)? - before;
    expect!(
        (500..500 + NOISE).contains(&calls),
        "about 500 system calls, saw {calls}"
    );
    let before = mem::info(MemInfoFlags::empty()).or_fail("count")?;
    fs::write("file", vec![1; 3 * PAGE_SIZE]).or_fail("write a file")?;
    ulib::thread::sleep_ticks(1);
    let after = mem::info(MemInfoFlags::empty()).or_fail("count")?;
    for (event, least) in [
        (Event::DiskWrite, 12),
        (Event::Device, 1),
        (Event::Timer, 1),
        (Event::Switch, 2),
    ] {
        let seen = after.events[event as usize] - before.events[event as usize];
        expect!(
            seen >= least,
            "at least {least} {}, saw {seen}",
            event.name()
        );
    }
    Ok(())
}

/// The parts are no more than the whole, and those that a process takes show in them.
fn uses() -> Outcome {
    let take = || mem::info(MemInfoFlags::DROP_CACHES).or_fail("count");
    let before = take()?;
    let named = before.slab
        + before.kernel_tables
        + before.page_tables
        + before.stacks
        + before.kernel_blocks
        + before.file_pages
        + before.anonymous;
    expect_eq!(
        named + before.free,
        before.total,
        "pages in use and free, together"
    );
    expect!(
        before.reserved >= before.image + before.frame_records && before.image > 50,
        "an image and records in {} reserved pages, saw {} and {}",
        before.reserved,
        before.image,
        before.frame_records
    );
    let gate = Gate::new()?;
    let mut children = Vec::new();
    for _ in 0..8 {
        children.push(Kid::start(|| {
            gate.pass();
            0
        })?);
    }
    let after = take()?;
    let (stacks, tables) = (
        after.stacks - before.stacks,
        after.page_tables - before.page_tables,
    );
    expect!(
        (8 * 4..=8 * 4 + 16).contains(&stacks),
        "about 32 pages of stacks for 8 processes, saw {stacks}"
    );
    expect!(
        (8 * 3..8 * 8).contains(&tables),
        "some page tables for 8 processes, saw {tables}"
    );
    gate.open();
    children
        .into_iter()
        .try_for_each(|child| child.ends_with(0, "waiting"))
}

fn many_regions() -> Outcome {
    const COUNT: usize = 1000;
    let memory = Mapping::anonymous(2 * COUNT * PAGE_SIZE).or_fail("map memory")?;
    let base = memory.as_ptr() as usize;
    for n in 0..COUNT {
        let page = (base + 2 * n * PAGE_SIZE) as *mut u8;
        // SAFETY: nobody uses the memory.
        unsafe { mem::mprotect(page, PAGE_SIZE, Prot::READ) }.or_fail("protect a page")?;
    }
    let pid = sys::getpid() as i32;
    let listed = inspect::regions(pid).or_fail("list regions")?;
    let parts = listed.filter(|region| region.start >= base as u64);
    expect_eq!(parts.count(), 2 * COUNT, "regions of the mapping");
    Ok(())
}

/// Children come, run programs, fork and go, while all processes are looked at.
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
