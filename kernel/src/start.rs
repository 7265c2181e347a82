//! Steps of the boot: kernel arguments, `init`, secondary harts.

use crate::arch::trap::TrapFrame;
use crate::arch::{boot, csr, hart, sbi, switch};
use crate::debug::provoke::Mistake;
use crate::dev::console::Hooks;
use crate::dev::disk::Disk;
use crate::dev::power;
use crate::fs::{self, FileTable};
use crate::inspect::{memory, state};
use crate::mm::{asid, commit, kernel_space, stack};
use crate::platform::Platform;
use crate::println;
use crate::proc::{self, Name, Process, Resources, TABLE, TestObjects, exec, group};
use crate::sched::{self, Start, Thread};
use crate::space::Mm;
use crate::sync::{Once, SpinLock, rank};
use abi::Errno;
use core::fmt;
use fallible::{KArc, KVec};

/// The boot arguments after `--`, which become init's argument.
static INIT_ARGUMENT: Once<KVec<u8>> = Once::new();
static MISTAKE: Once<Mistake> = Once::new();
/// The console's hooks.
pub const TERMINAL: Hooks = Hooks {
    interrupt: group::interrupt,
    is_shell: group::is_shell,
    dump_memory: memory::print,
    dump_state: state::print,
};

static DISK: SpinLock<Option<Disk>, { rank::DEVICE }> = SpinLock::new(None);

/// Parses the boot arguments: options of the kernel, then `--` and init's argument.
pub fn read_arguments(platform: &Platform) {
    let all = platform.arguments();
    let words = all.split(|&b| b == b' ');
    let before = words.take_while(|word| *word != b"--");
    let before: usize = before.map(|word| word.len() + 1).sum();
    let (options, rest) = all.split_at(before.min(all.len()));
    for option in options.split(|&b| b == b' ').filter(|o| !o.is_empty()) {
        let text = core::str::from_utf8(option).unwrap_or("?");
        match text
            .split_once('=')
            .map(|(name, value)| (name, value.parse()))
        {
            _ if text == "panic=stop" => power::set_halt_on_panic(),
            _ if text == "commit=strict" => commit::set_strict(true),
            _ if text == "sync" => fs::set_sync(),
            _ if text == "commit=lazy" => commit::set_strict(false),
            Some(("maxproc", Ok(limit))) => TABLE.lock().set_limit(limit),
            Some(("asids", Ok(limit))) => asid::set_limit(limit),
            _ if provoke(text) => {}
            _ => println!("unknown boot argument {text}"),
        }
    }
    let argument = rest.get(2..).unwrap_or_default().trim_ascii();
    let mut copy = KVec::new();
    if copy.try_extend_from_slice(argument).is_ok() {
        INIT_ARGUMENT.set(copy);
    }
}

/// Parses `provoke=`; returns whether the option is one. The first one counts.
fn provoke(option: &str) -> bool {
    let mistake = option.strip_prefix("provoke=").and_then(Mistake::from_name);
    if let Some(mistake) = mistake
        && MISTAKE.try_get().is_none()
    {
        MISTAKE.set(mistake);
    }
    mistake.is_some()
}

/// Creates the first process; it mounts the disk and runs `/init`.
pub fn spawn_init(disk: Option<Disk>) {
    if disk.is_none() {
        boot_failed(format_args!("there is no disk"));
    }
    *DISK.lock() = disk;
    let resources = Resources {
        files: FileTable::new(),
        directory: None,
        objects: TestObjects::new(),
    };
    let pid = TABLE.lock().next_pid();
    let Ok(init) = make_init(pid, resources) else {
        panic!("no memory for the first process");
    };
    sched::start(init.thread().clone(), init);
}

fn make_init(pid: i32, resources: Resources) -> Result<KArc<Process>, Errno> {
    let mm = Mm::try_new(None)?;
    let start = Start {
        entry: run_init,
        argument: 0,
        frame: &TrapFrame::user(0, 0, [0, 0]),
    };
    let thread = Thread::try_new::<Process>(&start)?;
    let init = Process::try_new(pid, Name::new(b"init"), resources, mm, thread)?;
    TABLE.lock().add(init.clone(), None)?;
    Ok(init)
}

extern "C" fn run_init(_: usize) {
    sched::schedule_tail();
    MISTAKE.try_get().inspect(|mistake| mistake.make());
    let Some(disk) = DISK.lock().take() else {
        unreachable!("the first process has the disk")
    };
    match fs::mount(disk) {
        Ok(()) => {}
        Err(xv6fs::Error::Corrupt(what)) => boot_failed(format_args!(
            "the disk has no valid xv6 file system ({what})"
        )),
        Err(error) => boot_failed(format_args!(
            "the disk cannot be mounted: {}",
            Errno::from(error)
        )),
    }
    match fs::root() {
        Ok(root) => proc::current().resources.lock().directory = Some(root),
        Err(error) => boot_failed(format_args!("no root directory: {error}")),
    }
    commit::init();
    let done = exec::Arguments::try_new().and_then(|mut arguments| {
        arguments.push(b"init")?;
        match INIT_ARGUMENT.try_get() {
            Some(argument) if !argument.is_empty() => arguments.push(argument)?,
            _ => {}
        }
        exec::exec(b"/init", &arguments)
    });
    if let Err(error) = done {
        boot_failed(format_args!("/init cannot be run: {error}"));
    }
    csr::irq_disable();
}

/// Reports why `/init` cannot be started, and powers the machine off.
fn boot_failed(why: fmt::Arguments<'_>) -> ! {
    println!("cannot start: {why}");
    power::power_off(power::BOOT_FAILED_STATUS)
}

/// Starts the secondary harts, each on its own idle stack.
pub fn start_harts(platform: &Platform) {
    let boot = hart::this().id();
    let mut unused = None;
    let others = platform.harts().iter().filter(|&&id| id != boot);
    // Without remote fences a TLB shootdown is not possible.
    let alone = !sbi::has_remote_fence();
    if alone && others.clone().next().is_some() {
        println!("the firmware has no remote fences: the other harts do not start");
    }
    for &id in others.filter(|_| !alone) {
        let Some(hart) = hart::HARTS.get(hart::count()) else {
            break;
        };
        let stack = unused
            .take()
            // SAFETY: the hart that is to start has no idle stack unless `unused` has it.
            .map_or_else(|| unsafe { stack::map_idle(hart::count()) }, Ok);
        let Ok(top) = stack else {
            println!("no memory for hart {id}");
            break;
        };
        // SAFETY: the kernel's page table and the stack are never freed, and nobody else uses the stack.
        if unsafe { boot::start_hart(hart, id, kernel_space::satp(), top) } {
            hart::add_started();
        } else {
            println!("hart {id} does not start");
            unused = Some(top);
        }
    }
    println!(
        "{} harts, {} KiB of memory",
        hart::count(),
        crate::mm::ram::total_pages() * 4
    );
}

/// Switches from the boot stack to the same memory mapped with a guard below it, and enters the idle loop.
pub fn idle_on_own_stack() -> ! {
    // SAFETY: the only call, from the boot hart on the boot stack.
    let Ok(top) = (unsafe { stack::map_boot_stack() }) else {
        panic!("no memory for the idle stack")
    };
    let left = switch::Context::new();
    let idle = switch::Context::start(enter_idle, 0, top);
    csr::irq_disable();
    // SAFETY: the new stack is mapped. It overwrites the boot stack, which is never resumed. The two contexts
    // on the boot stack are used for the last time before the new stack is first written.
    unsafe { switch::switch(&left, &idle) };
    unreachable!("back on the boot stack")
}

extern "C" fn enter_idle(_: usize) {
    sched::idle_loop()
}
