//! The disk: a virtio block device, one request at a time (the file system's lock lets no second
//! one begin), the waiting process asleep until the device interrupts.

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
use core::ptr::NonNull;
use fallible::KBox;
use frames::Pfn;
use virtio_drivers::device::blk::{BlkReq, BlkResp, SECTOR_SIZE, VirtIOBlk};
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceType, Transport};
use virtio_drivers::{BufferDirection, Hal, PhysAddr};
use xv6fs::{BLOCK_SIZE, BlockDevice, DeviceError};

const SECTORS_PER_BLOCK: usize = BLOCK_SIZE / SECTOR_SIZE;

type Device = VirtIOBlk<KernelHal, MmioTransport<'static>>;

struct Shared {
    device: SpinLock<Device, { rank::DEVICE }>,
    done: WaitQueue,
}

static SHARED: Once<Shared> = Once::new();

/// The disk as the file system has it: the right to begin requests.
pub struct Disk {
    request: KBox<BlkReq>,
    response: KBox<BlkResp>,
}

/// Finds the first block device and takes it into use; `None` if there is none.
pub fn init(platform: &Platform) -> Option<Disk> {
    let (device, number) = platform.virtio().iter().find_map(probe)?;
    let mut device = device;
    device.enable_interrupts();
    SHARED.set(Shared {
        device: SpinLock::new(device),
        done: WaitQueue::new(Wchan::Disk),
    });
    plic::register(number, interrupt);
    plic::enable(number);
    Some(Disk {
        request: KBox::try_new(BlkReq::default()).ok()?,
        response: KBox::try_new(BlkResp::default()).ok()?,
    })
}

fn probe(registers: &Registers) -> Option<(Device, u32)> {
    let mmio = Mmio::map(registers).ok()?;
    let header = NonNull::new(mmio.start() as *mut VirtIOHeader)?;
    // SAFETY: the registers of a virtio device, mapped for ever and used only here.
    let transport = unsafe { MmioTransport::new(header, mmio.size()) }.ok()?;
    if transport.device_type() != DeviceType::Block {
        return None;
    }
    Some((VirtIOBlk::new(transport).ok()?, registers.interrupt))
}

/// The device has finished a request.
fn interrupt() {
    if let Some(shared) = SHARED.try_get() {
        let _ = shared.device.lock().ack_interrupt();
        shared.done.wake_all();
    }
}

impl Disk {
    /// Begins a request with `begin`, sleeps until it is done, and ends it with `end`.
    fn transfer(
        &mut self,
        begin: impl FnOnce(&mut Device, &mut BlkReq, &mut BlkResp) -> virtio_drivers::Result<u16>,
        end: impl FnOnce(&mut Device, u16, &BlkReq, &mut BlkResp) -> virtio_drivers::Result,
    ) -> Result<(), DeviceError> {
        let shared = SHARED.get();
        let mut device = shared.device.lock();
        let token = begin(&mut device, &mut self.request, &mut self.response);
        let token = token.map_err(|_| DeviceError)?;
        while device.peek_used() != Some(token) {
            device = shared.done.wait_uninterruptible(device);
        }
        end(&mut device, token, &self.request, &mut self.response).map_err(|_| DeviceError)
    }
}

impl BlockDevice for Disk {
    fn blocks(&self) -> u32 {
        let bytes = SHARED.get().device.lock().capacity() * SECTOR_SIZE as u64;
        u32::try_from(bytes / BLOCK_SIZE as u64).unwrap_or(u32::MAX)
    }

    fn read(&mut self, block: u32, buffer: &mut [u8; BLOCK_SIZE]) -> Result<(), DeviceError> {
        hart::note(Event::DiskRead);
        let sector = block as usize * SECTORS_PER_BLOCK;
        let buffer: *mut [u8; BLOCK_SIZE] = buffer;
        // SAFETY: request, response and buffer stay where they are and untouched until `transfer`
        // has seen the device finish with them and returns.
        self.transfer(
            |device, request, response| unsafe {
                device.read_blocks_nb(sector, request, &mut *buffer, response)
            },
            |device, token, request, response| unsafe {
                device.complete_read_blocks(token, request, &mut *buffer, response)
            },
        )
    }

    fn write(&mut self, block: u32, buffer: &[u8; BLOCK_SIZE]) -> Result<(), DeviceError> {
        hart::note(Event::DiskWrite);
        let sector = block as usize * SECTORS_PER_BLOCK;
        // SAFETY: as in `read`.
        self.transfer(
            |device, request, response| unsafe {
                device.write_blocks_nb(sector, request, buffer, response)
            },
            |device, token, request, response| unsafe {
                device.complete_write_blocks(token, request, buffer, response)
            },
        )
    }

    fn flush(&mut self) -> Result<(), DeviceError> {
        // The driver crate waits for this one by polling.
        let mut device = SHARED.get().device.lock();
        let done = hart::account_wait(|| device.flush());
        done.map_err(|_| DeviceError)
    }
}

/// Request and response of a flush stand on the driver's stack, which is not in the direct map: the
/// device sees copies. There is one of each, as the device's lock lets one flush begin at a time.
struct Copies {
    request: [u8; COPY_SIZE],
    response: [u8; COPY_SIZE],
}

const COPY_SIZE: usize = 32;

static COPIES: SpinLock<Copies, { rank::BOUNCE }> = SpinLock::new(Copies {
    request: [0; COPY_SIZE],
    response: [0; COPY_SIZE],
});

impl Copies {
    fn place(&mut self, length: usize, direction: BufferDirection) -> &mut [u8] {
        let place = match direction {
            BufferDirection::DriverToDevice => &mut self.request,
            _ => &mut self.response,
        };
        match place.get_mut(..length) {
            Some(place) => place,
            None => panic!("a DMA buffer of {length} bytes is not in the direct map"),
        }
    }
}

fn in_direct_map(buffer: NonNull<[u8]>) -> bool {
    let address = buffer.cast::<u8>().addr().get();
    (layout::DIRECT_MAP..layout::DIRECT_MAP + layout::DIRECT_MAP_SIZE).contains(&address)
}

/// What the driver crate needs of the kernel.
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

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        if in_direct_map(buffer) {
            return layout::virt_to_phys(buffer.cast::<u8>().addr().get());
        }
        let mut copies = COPIES.lock();
        let copy = copies.place(buffer.len(), direction);
        // SAFETY: the caller's promise that the buffer is valid; the copy is as long.
        unsafe {
            buffer
                .cast::<u8>()
                .copy_to_nonoverlapping(NonNull::from(&mut *copy).cast(), copy.len())
        };
        layout::virt_to_phys(copy.as_ptr().addr())
    }

    unsafe fn unshare(_physical: PhysAddr, buffer: NonNull<[u8]>, direction: BufferDirection) {
        if in_direct_map(buffer) || direction == BufferDirection::DriverToDevice {
            return;
        }
        let mut copies = COPIES.lock();
        let copy = copies.place(buffer.len(), direction);
        // SAFETY: as in `share`.
        unsafe {
            buffer
                .cast::<u8>()
                .copy_from_nonoverlapping(NonNull::from(&mut *copy).cast(), copy.len())
        };
    }
}
