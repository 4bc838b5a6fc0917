//! One request to a device, for the drivers beside this file.

use std::ffi::c_void;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};

/// Opens a device for requests.
pub(super) fn open(device: &str) -> Result<OwnedFd, Errno> {
    rustix::fs::open(device, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
}

/// Makes the request `NUMBER` with an argument at `argument`.
///
/// # Safety
/// `argument` must point to all that the driver of `file` reads and writes for this request.
pub(super) unsafe fn request<const NUMBER: Opcode>(
    file: impl AsFd,
    argument: *mut c_void,
) -> Result<u32, Errno> {
    // SAFETY: the argument must be what the driver takes for this number: the caller's promise.
    let returned = unsafe { rustix::ioctl::ioctl(file, Request::<NUMBER>(argument)) };
    returned.map(i32::unsigned_abs)
}

/// `_IOC(_IOC_NONE, group, nr, size)`: these headers encode no direction, though data goes both ways.
pub(super) const fn number(group: u8, nr: u32, size: usize) -> Opcode {
    (size as u32) << 16 | (group as u32) << 8 | nr
}

struct Request<const NUMBER: Opcode>(*mut c_void);

// SAFETY: the implementation must describe the request truly: it says that memory behind the pointer
// may change, which covers all requests, and hands on number and pointer as they are.
unsafe impl<const NUMBER: Opcode> Ioctl for Request<NUMBER> {
    type Output = i32;
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        NUMBER
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}
