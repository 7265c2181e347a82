//! The kernel of Pagoda. This file has the boot order.
#![no_std]
#![no_main]

extern crate alloc;

#[macro_use]
mod dev;
mod arch;
mod debug;
mod fs;
mod inspect;
mod mm;
mod platform;
mod proc;
mod sched;
mod space;
mod start;
mod symbols;
mod sync;
mod syscall;
mod trap;

use arch::{hart, layout, timer};
use platform::Platform;

/// Rust entry point of the boot hart, in the upper half, on the boot stack. `arch` calls it by its symbol.
// SAFETY: nothing else has this symbol.
#[unsafe(no_mangle)]
extern "C" fn kernel_start(hart_id: usize, device_tree: u64) -> ! {
    hart::this().set_id(hart_id);
    arch::trap::init();
    let tree = layout::phys_to_virt(device_tree) as *const u8;
    // SAFETY: the firmware's promise (SBI: a1 is the device tree); the boot table maps all RAM.
    let Some(platform) = (unsafe { Platform::read(tree) }) else {
        panic!("no usable device tree at {device_tree:#x}");
    };
    timer::init(platform.timer_frequency, platform.has_sstc);
    mm::ram::init(&platform);
    space::init_reserve();
    mm::init(&platform);
    space::init();
    dev::power::init(&platform);
    dev::console::init(&platform, start::TERMINAL);
    dev::plic::init(&platform);
    println!("\nPagoda is booting");
    sync::on_long_spin(inspect::state::report_long_spin);
    fs::init_cache();
    start::read_arguments(&platform);
    dev::uart::enable_input();
    start::spawn_init(dev::disk::init(&platform));
    start::start_harts(&platform);
    start::idle_on_own_stack()
}

/// Rust entry point of secondary harts, each on its idle stack, with the kernel's page table.
// SAFETY: nothing else has this symbol.
#[unsafe(no_mangle)]
extern "C" fn kernel_start_hart() -> ! {
    hart::this().satp.set(mm::kernel_space::satp());
    arch::trap::init();
    mm::asid::check_hart();
    dev::uart::enable_input();
    sched::idle_loop()
}
