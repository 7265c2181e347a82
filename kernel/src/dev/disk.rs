//! The disk: a virtio block device, with one request at a time, since the file system's lock serializes them. The
//! requesting thread sleeps until the device interrupts.

use super::plic;
use crate::arch::{hart, layout};
use crate::mm::device::Mmio;
use crate::mm::heap;
use crate::mm::kernel_space::map_device;
use crate::mm::ram::{pointer_to, zero};
use crate::platform::{Platform, Registers};
use crate::sched::{WaitQueue, Wchan};
use crate::sync::{Once, SpinLock, rank};
use abi::Event;
use bitflags::bitflags;
use core::ptr::NonNull;
use fallible::KBox;
use frames::Pfn;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};
use xv6fs::{BLOCK_SIZE, BlockDevice, DeviceError};
use zerocopy::{Immutable, IntoBytes};

/// Bytes of a sector, the device's unit.
const SECTOR_SIZE: u64 = 512;
const SECTORS_PER_BLOCK: u64 = BLOCK_SIZE as u64 / SECTOR_SIZE;
/// Index of the device's only queue.
const QUEUE: u16 = 0;
const QUEUE_SIZE: usize = 16;

bitflags! {
    /// Device features that the driver negotiates.
    #[derive(Clone, Copy, Debug)]
    struct Features: u64 {
        /// It has a write cache, and a request to flush it.
        const FLUSH = 1 << 9;
        const EVENT_IDX = 1 << 29;
        const VERSION_1 = 1 << 32;
    }
}

/// The device and its virtqueue.
struct Device {
    transport: MmioTransport<'static>,
    queue: VirtQueue<KernelHal, QUEUE_SIZE>,
    blocks: u32,
    has_flush: bool,
}

impl Device {
    fn new(mut transport: MmioTransport<'static>) -> virtio_drivers::Result<Device> {
        let features = transport.begin_init(Features::all());
        let sectors = transport.read_consistent(|| {
            let low: u32 = transport.read_config_space(0)?;
            let high: u32 = transport.read_config_space(size_of::<u32>())?;
            Ok(u64::from(high) << 32 | u64::from(low))
        })?;
        let event_idx = features.contains(Features::EVENT_IDX);
        let mut queue = VirtQueue::new(&mut transport, QUEUE, false, event_idx)?;
        queue.set_dev_notify(true);
        transport.finish_init();
        Ok(Device {
            transport,
            queue,
            blocks: u32::try_from(sectors / SECTORS_PER_BLOCK).unwrap_or(u32::MAX),
            has_flush: features.contains(Features::FLUSH),
        })
    }
}

struct Shared {
    device: SpinLock<Device, { rank::DEVICE }>,
    done: WaitQueue,
}

static SHARED: Once<Shared> = Once::new();

/// Request types of the virtio specification.
#[derive(Clone, Copy, IntoBytes, Immutable)]
#[repr(u32)]
enum Kind {
    Read = 0,
    Write = 1,
    Flush = 4,
}

/// The header of a request.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    kind: Kind,
    reserved: u32,
    sector: u64,
}

/// A request without its data.
struct Request {
    header: Header,
    /// Written by the device: [`DONE`], or an error.
    status: u8,
}

const DONE: u8 = 0;
const NOT_DONE: u8 = u8::MAX;

/// The data of a request.
enum Data<'a> {
    Read(&'a mut [u8; BLOCK_SIZE]),
    Write(&'a [u8; BLOCK_SIZE]),
    Flush,
}

/// The block device for the file system; its owner may make requests.
pub struct Disk {
    request: KBox<Request>,
}

/// Finds and initializes the first block device; `None` if there is none.
pub fn init(platform: &Platform) -> Option<Disk> {
    let (device, number) = platform.virtio().iter().find_map(probe)?;
    SHARED.set(Shared {
        device: SpinLock::new(device),
        done: WaitQueue::new(Wchan::Disk),
    });
    plic::register(number, interrupt);
    plic::enable(number);
    let header = Header {
        kind: Kind::Read,
        reserved: 0,
        sector: 0,
    };
    let status = NOT_DONE;
    let request = KBox::try_new(Request { header, status }).ok()?;
    Some(Disk { request })
}

fn probe(registers: &Registers) -> Option<(Device, u32)> {
    let mmio = Mmio::map(registers).ok()?;
    let header = NonNull::new(mmio.start() as *mut VirtIOHeader)?;
    // SAFETY: the registers of a virtio device, never unmapped and used only here.
    let transport = unsafe { MmioTransport::new(header, mmio.size()) }.ok()?;
    if transport.device_type() != DeviceType::Block {
        return None;
    }
    Some((Device::new(transport).ok()?, registers.interrupt))
}

/// The interrupt handler: a request is complete.
fn interrupt() {
    if let Some(shared) = SHARED.try_get() {
        let _ = shared.device.lock().transport.ack_interrupt();
        shared.done.wake_all();
    }
}

impl Request {
    /// Calls `act` with the buffers that the device reads and those that it writes.
    fn with_buffers<T>(
        &mut self,
        data: &mut Data<'_>,
        act: impl for<'a> FnOnce(&'a [&'a [u8]], &'a mut [&'a mut [u8]]) -> T,
    ) -> T {
        let header = self.header.as_bytes();
        let status = self.status.as_mut_bytes();
        match data {
            Data::Read(block) => act(&[header], &mut [block.as_mut_slice(), status]),
            Data::Write(block) => act(&[header, block.as_slice()], &mut [status]),
            Data::Flush => act(&[header], &mut [status]),
        }
    }
}

impl Disk {
    /// Submits a request and sleeps until it is complete.
    fn transfer(&mut self, block: u32, mut data: Data<'_>) -> Result<(), DeviceError> {
        let shared = SHARED.get();
        let request = &mut *self.request;
        request.header.kind = match data {
            Data::Read(_) => Kind::Read,
            Data::Write(_) => Kind::Write,
            Data::Flush => Kind::Flush,
        };
        request.header.sector = u64::from(block) * SECTORS_PER_BLOCK;
        request.status = NOT_DONE;
        let mut device = shared.device.lock();
        // SAFETY: request and data are neither accessed nor moved until `pop_used` below has returned them: this
        // thread sleeps until then, uninterruptibly.
        let token = request.with_buffers(&mut data, |inputs, outputs| unsafe {
            device.queue.add(inputs, outputs)
        });
        let token = token.map_err(|_| DeviceError)?;
        if device.queue.should_notify() {
            device.transport.notify(QUEUE);
        }
        while device.queue.peek_used() != Some(token) {
            device = shared.done.wait_uninterruptible(device);
        }
        // SAFETY: the same buffers.
        let done = request.with_buffers(&mut data, |inputs, outputs| unsafe {
            device.queue.pop_used(token, inputs, outputs)
        });
        match done {
            Ok(_) if request.status == DONE => Ok(()),
            _ => Err(DeviceError),
        }
    }
}

impl BlockDevice for Disk {
    fn blocks(&self) -> u32 {
        SHARED.get().device.lock().blocks
    }

    fn read(&mut self, block: u32, buffer: &mut [u8; BLOCK_SIZE]) -> Result<(), DeviceError> {
        hart::note(Event::DiskRead);
        self.transfer(block, Data::Read(buffer))
    }

    fn write(&mut self, block: u32, buffer: &[u8; BLOCK_SIZE]) -> Result<(), DeviceError> {
        hart::note(Event::DiskWrite);
        self.transfer(block, Data::Write(buffer))
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        hart::note(Event::DiskFlush);
        if !SHARED.get().device.lock().has_flush {
            return Ok(());
        }
        self.transfer(0, Data::Flush)
    }
}

/// The physical address of a DMA buffer.
///
/// # Panics
/// If it is not in the direct map.
fn address(buffer: NonNull<[u8]>) -> PhysAddr {
    let address = buffer.cast::<u8>().addr().get();
    let direct_map = layout::DIRECT_MAP..layout::DIRECT_MAP + layout::DIRECT_MAP_SIZE;
    assert!(direct_map.contains(&address), "DMA at {address:#x}");
    layout::virt_to_phys(address)
}

/// The kernel's services for the driver crate.
struct KernelHal;

// SAFETY: DMA memory comes from the frame allocator, zeroed and used by nobody else; addresses are
// translated by the direct map, which has all RAM.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        let Some(first) = heap::alloc_block(order) else {
            return (0, NonNull::dangling());
        };
        for i in 0..1 << order {
            // SAFETY: the block was allocated just now.
            unsafe { zero(first.plus(i)) };
        }
        match NonNull::new(pointer_to(first)) {
            Some(start) => (first.addr(), start),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _address: NonNull<u8>, pages: usize) -> i32 {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        // SAFETY: the caller's promise that `dma_alloc` gave it, and that it is not used any more.
        unsafe { heap::free_block(Pfn::from_addr(physical), order) };
        0
    }

    unsafe fn mmio_phys_to_virt(physical: PhysAddr, size: usize) -> NonNull<u8> {
        let mapped = map_device(physical, size as u64).ok();
        match mapped.and_then(|address| NonNull::new(address as *mut u8)) {
            Some(address) => address,
            None => panic!("no memory to map a device"),
        }
    }

    unsafe fn share(buffer: NonNull<[u8]>, _direction: BufferDirection) -> PhysAddr {
        address(buffer)
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
