//! The disk: a virtio block device, one request at a time (the file system's lock lets no second
//! one begin), the waiting process asleep until the device interrupts.

use super::platform::{Platform, Registers};
use super::plic;
use crate::arch::layout;
use crate::mm::kernel_space::map_device;
use crate::mm::ram::{self, address_of, frame_of, zero};
use crate::sync::{Once, SpinLock, WaitQueue, rank};
use core::ptr::NonNull;
use frames::{FRAME_SIZE, Pfn};
use kmalloc::KBox;
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
    interrupt: u32,
}

static SHARED: Once<Shared> = Once::new();

/// The disk as the file system has it: the right to begin requests.
pub struct Disk {
    request: KBox<BlkReq>,
    response: KBox<BlkResp>,
}

/// Finds the first block device and takes it into use; `None` if there is none.
pub fn init(platform: &Platform) -> Option<Disk> {
    let (device, interrupt) = platform.virtio().iter().find_map(probe)?;
    let mut device = device;
    device.enable_interrupts();
    SHARED.set(Shared {
        device: SpinLock::new(device),
        done: WaitQueue::new(),
        interrupt,
    });
    plic::enable(interrupt);
    Some(Disk {
        request: KBox::try_new(BlkReq::default()).ok()?,
        response: KBox::try_new(BlkResp::default()).ok()?,
    })
}

fn probe(registers: &Registers) -> Option<(Device, u32)> {
    let base = map_device(registers.base, registers.size).ok()?;
    let header = NonNull::new(base as *mut VirtIOHeader)?;
    // SAFETY: the registers of a virtio device, mapped for ever and used only here.
    let transport = unsafe { MmioTransport::new(header, registers.size as usize) }.ok()?;
    if transport.device_type() != DeviceType::Block {
        return None;
    }
    Some((VirtIOBlk::new(transport).ok()?, registers.interrupt))
}

/// True if this interrupt is the disk's.
pub fn is_interrupt(number: u32) -> bool {
    SHARED
        .try_get()
        .is_some_and(|shared| shared.interrupt == number)
}

/// The device has finished a request.
pub fn interrupt() {
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
            device = shared.done.wait_surely(device);
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
        // The queue takes a request whose data the device has written; QEMU's disk is told to write
        // through, so what has been written is in the image.
        Ok(())
    }
}

/// What the driver crate needs of the kernel.
struct KernelHal;

// SAFETY: DMA memory comes from the frame allocator, zeroed and used by nobody else; addresses are
// translated by the direct map, which has all RAM.
unsafe impl Hal for KernelHal {
    fn dma_alloc(pages: usize, _direction: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        let Some(first) = ram::alloc(order) else {
            return (0, NonNull::dangling());
        };
        let address = address_of(first);
        for i in 0..1 << order {
            zero(frame_of(address + i * FRAME_SIZE));
        }
        (
            first.addr(),
            NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling()),
        )
    }

    unsafe fn dma_dealloc(physical: PhysAddr, _address: NonNull<u8>, pages: usize) -> i32 {
        let order = pages.next_power_of_two().trailing_zeros() as usize;
        ram::free(Pfn::from_addr(physical), order);
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
        let address = buffer.as_ptr() as *mut u8 as usize;
        let window = layout::DIRECT_MAP..layout::DIRECT_MAP + layout::DIRECT_MAP_SIZE;
        debug_assert!(
            window.contains(&address),
            "DMA buffer {address:#x} not in the direct map"
        );
        layout::virt_to_phys(address)
    }

    unsafe fn unshare(_physical: PhysAddr, _buffer: NonNull<[u8]>, _direction: BufferDirection) {}
}
