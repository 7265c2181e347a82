//! Floating point registers of user programs.
//!
//! A program starts with the unit off; its first floating point instruction traps and turns it on.
//! From then on its registers are saved at context switches. The kernel uses none.

use super::csr::{self, SSTATUS_FS};
use super::relaxed::RelaxedUsize;
use core::arch::naked_asm;

/// Saved floating point registers and `fcsr` of a thread.
#[repr(C)]
pub struct FloatRegisters {
    values: [RelaxedUsize; 32],
    control: RelaxedUsize,
}

impl FloatRegisters {
    /// All zero, rounding to nearest: the initial state.
    pub const fn new() -> FloatRegisters {
        FloatRegisters {
            values: [const { RelaxedUsize::new(0) }; 32],
            control: RelaxedUsize::new(0),
        }
    }

    /// Resets to the initial state.
    pub fn clear(&self) {
        self.values.iter().for_each(|value| value.set(0));
        self.control.set(0);
    }

    /// Saves this hart's registers.
    pub fn save(&self) {
        // SAFETY: the unit is on only while the registers are stored into this structure.
        unsafe {
            csr::sstatus::set(SSTATUS_FS);
            save_registers(self);
            csr::sstatus::clear(SSTATUS_FS);
        }
    }

    /// Restores this hart's registers.
    pub fn load(&self) {
        // SAFETY: as in `save`; the kernel does not use these registers.
        unsafe {
            csr::sstatus::set(SSTATUS_FS);
            load_registers(self);
            csr::sstatus::clear(SSTATUS_FS);
        }
    }
}

macro_rules! for_all_registers {
    ($op:literal, $control:literal) => {
        naked_asm!(
            ".attribute arch, \"rv64gc\"",
            concat!(
                $op,
                " f0, 0(a0)\n",
                $op,
                " f1, 8(a0)\n",
                $op,
                " f2, 16(a0)\n"
            ),
            concat!(
                $op,
                " f3, 24(a0)\n",
                $op,
                " f4, 32(a0)\n",
                $op,
                " f5, 40(a0)\n"
            ),
            concat!(
                $op,
                " f6, 48(a0)\n",
                $op,
                " f7, 56(a0)\n",
                $op,
                " f8, 64(a0)\n"
            ),
            concat!(
                $op,
                " f9, 72(a0)\n",
                $op,
                " f10, 80(a0)\n",
                $op,
                " f11, 88(a0)\n"
            ),
            concat!(
                $op,
                " f12, 96(a0)\n",
                $op,
                " f13, 104(a0)\n",
                $op,
                " f14, 112(a0)\n"
            ),
            concat!(
                $op,
                " f15, 120(a0)\n",
                $op,
                " f16, 128(a0)\n",
                $op,
                " f17, 136(a0)\n"
            ),
            concat!(
                $op,
                " f18, 144(a0)\n",
                $op,
                " f19, 152(a0)\n",
                $op,
                " f20, 160(a0)\n"
            ),
            concat!(
                $op,
                " f21, 168(a0)\n",
                $op,
                " f22, 176(a0)\n",
                $op,
                " f23, 184(a0)\n"
            ),
            concat!(
                $op,
                " f24, 192(a0)\n",
                $op,
                " f25, 200(a0)\n",
                $op,
                " f26, 208(a0)\n"
            ),
            concat!(
                $op,
                " f27, 216(a0)\n",
                $op,
                " f28, 224(a0)\n",
                $op,
                " f29, 232(a0)\n"
            ),
            concat!($op, " f30, 240(a0)\n", $op, " f31, 248(a0)\n"),
            $control,
            "ret",
        )
    };
}

#[unsafe(naked)]
unsafe extern "C" fn save_registers(to: &FloatRegisters) {
    for_all_registers!("fsd", "frcsr t0\nsd t0, 256(a0)")
}

#[unsafe(naked)]
unsafe extern "C" fn load_registers(from: &FloatRegisters) {
    for_all_registers!("fld", "ld t0, 256(a0)\nfscsr t0")
}
