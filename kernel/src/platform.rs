//! The machine as the device tree describes it, copied, so that the device tree's memory can be reused.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};

/// A range of physical addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// Address behind the last.
    pub end: u64,
}

/// A device's registers and interrupt. Only this module can make one, from the device tree.
#[derive(Clone, Copy, Debug, Default)]
pub struct Registers {
    base: u64,
    size: u64,
    /// Interrupt number at the interrupt controller; 0 for none.
    pub interrupt: u32,
}

impl Registers {
    /// Physical address of the first register.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// A list of at most `N` items; further ones are dropped.
#[derive(Clone, Copy, Debug)]
struct List<T, const N: usize> {
    items: [T; N],
    count: usize,
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    fn new() -> Self {
        List {
            items: [T::default(); N],
            count: 0,
        }
    }

    fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.count) {
            *place = item;
            self.count += 1;
        }
    }

    fn as_slice(&self) -> &[T] {
        self.items.get(..self.count).unwrap_or_default()
    }
}

const BOOT_ARGUMENTS: usize = 1024;

/// The machine.
pub struct Platform {
    ram: List<Range, 8>,
    reserved: List<Range, 16>,
    harts: List<usize, { crate::arch::hart::MAX_HARTS }>,
    virtio: List<Registers, 16>,
    arguments: List<u8, BOOT_ARGUMENTS>,
    /// Frequency of the timer in Hz.
    pub timer_frequency: u64,
    /// Whether every hart has the Sstc extension.
    pub has_sstc: bool,
    /// The serial port.
    pub uart: Option<Registers>,
    /// The interrupt controller.
    pub plic: Option<Registers>,
    /// QEMU's test device, which ends it with an exit status.
    pub test_device: Option<Registers>,
}

impl Platform {
    /// Reads the device tree; `None` if it is invalid, has no RAM, or has too many reserved ranges.
    ///
    /// # Safety
    /// `tree` points to a device tree that is mapped and does not change meanwhile.
    pub unsafe fn read(tree: *const u8) -> Option<Platform> {
        // SAFETY: the caller's promise.
        let fdt = unsafe { Fdt::from_raw(tree) }.ok()?;
        let mut platform = Platform {
            ram: List::new(),
            reserved: List::new(),
            harts: List::new(),
            virtio: List::new(),
            arguments: List::new(),
            timer_frequency: 10_000_000,
            has_sstc: true,
            uart: None,
            plic: None,
            test_device: None,
        };
        platform.read_memory(fdt);
        platform.read_harts(fdt);
        platform.read_devices(fdt.root());
        if let Some(chosen) = fdt.root().child("chosen")
            && let Some(text) = chosen.property("bootargs")
        {
            let text = text.value().split(|&b| b == 0).next().unwrap_or_default();
            text.iter().for_each(|&byte| platform.arguments.push(byte));
        }
        // If a reserved range were dropped, the firmware's memory would be allocated.
        let complete = platform.reserved.count < platform.reserved.items.len();
        (complete && !platform.ram().is_empty()).then_some(platform)
    }

    /// RAM, including the reserved ranges.
    pub fn ram(&self) -> &[Range] {
        self.ram.as_slice()
    }

    /// Ranges of RAM reserved by the firmware.
    pub fn reserved(&self) -> &[Range] {
        self.reserved.as_slice()
    }

    /// Hart IDs.
    pub fn harts(&self) -> &[usize] {
        self.harts.as_slice()
    }

    /// Slots of virtio-mmio devices; a slot may be empty.
    pub fn virtio(&self) -> &[Registers] {
        self.virtio.as_slice()
    }

    /// The boot arguments.
    pub fn arguments(&self) -> &[u8] {
        self.arguments.as_slice()
    }

    fn read_memory(&mut self, fdt: Fdt<'_>) {
        for node in fdt.root().children() {
            if is_named(&node, "memory") {
                ranges(&node, |range| self.ram.push(range));
            }
        }
        for reservation in fdt.memory_reservations() {
            let start = reservation.address();
            self.reserved.push(Range {
                start,
                end: start.saturating_add(reservation.size()),
            });
        }
        if let Some(node) = fdt.root().child("reserved-memory") {
            for node in node.children() {
                ranges(&node, |range| self.reserved.push(range));
            }
        }
    }

    fn read_harts(&mut self, fdt: Fdt<'_>) {
        let Some(cpus) = fdt.root().child("cpus") else {
            return;
        };
        if let Some(frequency) = number(&cpus, "timebase-frequency") {
            self.timer_frequency = u64::from(frequency);
        }
        for cpu in cpus.children() {
            if !is_named(&cpu, "cpu") || is_disabled(&cpu) {
                continue;
            }
            if let Some(frequency) = number(&cpu, "timebase-frequency") {
                self.timer_frequency = u64::from(frequency);
            }
            let id = cpu.property("reg").and_then(|reg| {
                let last = reg.value().last_chunk::<4>()?;
                Some(u32::from_be_bytes(*last))
            });
            if let Some(id) = id {
                self.harts.push(id as usize);
                self.has_sstc &= has_extension(&cpu, "sstc");
            }
        }
    }

    fn read_devices(&mut self, node: FdtNode<'_>) {
        let is = |name: &str| {
            node.compatible()
                .is_some_and(|mut all| all.any(|c| c == name))
        };
        if is_disabled(&node) {
            return;
        }
        if is("ns16550a") && self.uart.is_none() {
            self.uart = registers(&node);
        } else if (is("riscv,plic0") || is("sifive,plic-1.0.0")) && self.plic.is_none() {
            self.plic = registers(&node);
        } else if is("sifive,test0") {
            self.test_device = registers(&node);
        } else if is("virtio,mmio")
            && let Some(device) = registers(&node)
        {
            self.virtio.push(device);
        }
        for child in node.children() {
            self.read_devices(child);
        }
    }
}

fn is_disabled(node: &FdtNode<'_>) -> bool {
    let status = node.property("status");
    status.is_some_and(|status| !matches!(status.value(), b"okay\0" | b"ok\0"))
}

fn is_named(node: &FdtNode<'_>, name: &str) -> bool {
    let own: &str = node.name_without_address();
    own == name
}

fn number(node: &FdtNode<'_>, name: &str) -> Option<u32> {
    let property = node.property(name)?;
    let bytes = property.value().first_chunk::<4>()?;
    Some(u32::from_be_bytes(*bytes))
}

fn has_extension(cpu: &FdtNode<'_>, name: &str) -> bool {
    let Some(property) = cpu.property("riscv,isa") else {
        return false;
    };
    property
        .value()
        .split(|&b| b == b'_' || b == 0)
        .any(|part| part == name.as_bytes())
}

fn ranges(node: &FdtNode<'_>, mut each: impl FnMut(Range)) {
    let Ok(Some(registers)) = node.reg() else {
        return;
    };
    for register in registers {
        if let (Ok(start), Ok(size)) = (register.address::<u64>(), register.size::<u64>()) {
            each(Range {
                start,
                end: start.saturating_add(size),
            });
        }
    }
}

fn registers(node: &FdtNode<'_>) -> Option<Registers> {
    let mut first = None;
    ranges(node, |range| {
        first.get_or_insert(range);
    });
    let range = first?;
    let interrupt = number(node, "interrupts").unwrap_or(0);
    Some(Registers {
        base: range.start,
        size: range.end - range.start,
        interrupt,
    })
}
