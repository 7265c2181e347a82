//! The kernel of Pagoda. This file is the boot order.
#![no_std]
#![no_main]

extern crate alloc;

#[macro_use]
mod dev;
mod arch;
mod debug;
mod fs;
mod mm;
mod proc;
mod start;
mod symbols;
mod sync;
mod syscall;
mod trap;

use arch::{hart, layout, timer};
use dev::platform::Platform;

/// The boot hart's first Rust code, in the upper half, on the boot stack.
extern "C" fn start(hart_id: usize, device_tree: u64, direct_map_offset: usize) -> ! {
    layout::set_direct_map_offset(direct_map_offset);
    hart::this().prepare(0, hart_id);
    arch::trap::init();
    let tree = layout::phys_to_virt(device_tree) as *const u8;
    // SAFETY: the firmware's promise (SBI: a1 is the device tree); the boot table maps all RAM.
    let Some(platform) = (unsafe { Platform::read(tree) }) else {
        panic!("no usable device tree at {device_tree:#x}");
    };
    timer::init(platform.timer_frequency, platform.has_sstc);
    mm::init(&platform);
    dev::power::init(&platform);
    dev::uart::init(&platform);
    dev::plic::init(&platform);
    println!("\nPagoda is booting");
    sync::on_long_spin(debug::state::tell_long_spin);
    fs::init_cache();
    start::read_arguments(&platform);
    dev::uart::enable_input();
    start::spawn_init(dev::disk::init(&platform));
    start::start_harts(&platform);
    start::idle_on_own_stack()
}

/// Every other hart's first Rust code, on its own stack, with the kernel's page table.
extern "C" fn start_hart() -> ! {
    hart::this().loaded.set(mm::kernel_space::satp());
    arch::trap::init();
    mm::asid::check();
    dev::uart::enable_input();
    proc::sched::idle_loop()
}
