//! Boot code in assembly: turns paging on and enters Rust code in the upper half.
//!
//! The boot page table has an identity mapping in the lower half and the direct map in the upper half, in
//! 1 GiB pages that are readable, writable and executable. `mm` builds the final one.

use super::hart::Hart;
use super::{layout, sbi};
use core::arch::global_asm;
use core::ptr;

global_asm!(
    r#"
    .section .text.boot, "ax"
    .globl _start
_start:                             # a0: hart id, a1: physical address of the device tree
    lla     t0, boot_taken
    li      t1, 1
    amoswap.w.aqrl t1, t1, (t0)
    bnez    t1, 5f
    lla     sp, boot_stack_end
    lla     t0, _bss
    lla     t1, _ebss
1:  sd      zero, (t0)
    addi    t0, t0, 8
    bltu    t0, t1, 1b

    lla     s0, boot_offset         # s0: virtual minus physical
    ld      t0, (s0)
    sub     s0, t0, s0
    lla     t0, {offset}
    sd      s0, (t0)

    lla     t0, boot_root
    li      t1, 0                   # identity mapping: gigabyte t1 at entry t1
    li      t2, 256
    li      t3, 0xcf                # D A X W R V
    li      t5, 1 << 28             # a gigabyte, in units of the entry's page number field
2:  sd      t3, (t0)
    add     t3, t3, t5
    addi    t0, t0, 8
    addi    t1, t1, 1
    bltu    t1, t2, 2b

    srai    t4, s0, 30              # direct map: entry 256 + i has gigabyte 256 + i - (s0 >> 30)
    li      t1, -256
    li      t2, 128
3:  sub     t6, t1, t4
    slli    t6, t6, 46
    srli    t6, t6, 18              # 18 bits of gigabyte number into bits 28..46
    addi    t6, t6, 0xcf
    sd      t6, (t0)
    addi    t0, t0, 8
    addi    t1, t1, 1
    addi    t2, t2, -1
    bnez    t2, 3b

    lla     t0, boot_root
    call    boot_enable_paging
    add     sp, sp, s0
    lla     tp, {harts}
    tail    {start}

    # A second hart in _start. OpenSBI up to 1.1 marks a hart as starting before it sets the start
    # address, so a hart can enter here instead of at _start_hart. Wait until its Hart structure is
    # ready and continue there.
5:  fence
    lla     t0, {harts}
    li      t1, {max_harts}
6:  ld      t2, {hart_id}(t0)
    ld      t3, {boot_satp}(t0)
    bne     t2, a0, 7f
    bnez    t3, 8f
7:  li      t4, {hart_size}
    add     t0, t0, t4
    addi    t1, t1, -1
    bnez    t1, 6b
    j       5b
8:  lla     s0, boot_offset
    ld      t2, (s0)
    sub     s0, t2, s0
    add     a1, t0, s0
    # fall through

    # Entry of secondary harts. a0: hart id, a1: virtual address of its Hart structure.
    .globl _start_hart
_start_hart:
    lla     s0, boot_offset
    ld      t0, (s0)
    sub     s0, t0, s0
    lla     t0, boot_root
    call    boot_enable_paging
    mv      tp, a1
    ld      sp, {kernel_sp}(tp)
    ld      t0, {boot_satp}(tp)
    csrw    satp, t0                # the stack is mapped in the kernel's own table only
    sfence.vma
    tail    {start_hart}

    # Turns paging on with the root table at physical t0 and returns into the direct map.
boot_enable_paging:
    srli    t0, t0, 12
    li      t1, 8 << 60
    or      t0, t0, t1
    sfence.vma
    csrw    satp, t0
    sfence.vma
    add     ra, ra, s0
    ret

    .balign 8
boot_offset:
    .dword  boot_offset             # its own link address

    .section .data.boot_taken, "aw"
    .balign 4
boot_taken:
    .word   0

    .section .boot_pages, "aw", @nobits
    .balign 4096
boot_root:
    .skip   4096

    .section .boot_stack, "aw", @nobits
    .balign 4096
    .skip   {stack_size}
    .globl boot_stack_end
boot_stack_end:
    "#,
    offset = sym super::layout::OFFSET,
    harts = sym super::hart::HARTS,
    start = sym kernel_start,
    start_hart = sym kernel_start_hart,
    kernel_sp = const super::hart::KERNEL_SP,
    boot_satp = const super::hart::BOOT_SATP,
    hart_id = const super::hart::HART_ID,
    hart_size = const size_of::<super::hart::Hart>(),
    max_harts = const super::hart::MAX_HARTS,
    stack_size = const super::layout::BOOT_STACK_SIZE,
);

unsafe extern "C" {
    fn _start_hart();
    /// Entry of the boot hart: hart id, physical address of the device tree.
    fn kernel_start(hart_id: usize, device_tree: u64) -> !;
    /// Entry of secondary harts.
    fn kernel_start_hart() -> !;
}

/// Starts the hart with hart ID `id`; returns false if the firmware refuses.
///
/// # Safety
/// The page table maps the kernel and the stack. Nobody else uses the stack. Both are never freed.
pub unsafe fn start_hart(hart: &'static Hart, id: usize, satp: usize, stack_top: usize) -> bool {
    hart.set_id(id);
    hart.prepare_start(satp, stack_top);
    let entry = layout::virt_to_phys(_start_hart as *const () as usize);
    sbi::start_hart(id, entry, ptr::from_ref(hart).expose_provenance())
}
