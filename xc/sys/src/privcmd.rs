//! The one hypercall made directly: `XENVER_version`, through Linux's privcmd driver.

use std::ffi::c_void;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{self, Ioctl, IoctlOutput, Opcode};

/// Where Linux offers hypercalls.
pub(crate) const PATH: &str = "/dev/xen/privcmd";

/// The number of the running Xen, `major << 16 | minor`.
pub(crate) fn xen_version() -> Result<u32, Errno> {
    let privcmd = rustix::fs::open(PATH, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let call = Hypercall { op: XEN_VERSION, arg: [XENVER_VERSION, 0, 0, 0, 0] };
    // SAFETY: the driver must interpret the request as `Hypercall` says: the file is privcmd,
    // opened above, and the call is one without a buffer, so Xen writes nowhere.
    let version = unsafe { ioctl::ioctl(&privcmd, call) }?;
    Ok(version.unsigned_abs())
}

/// `struct privcmd_hypercall`, `include/uapi/xen/privcmd.h`.
#[repr(C)]
struct Hypercall {
    op: u64,
    arg: [u64; 5],
}

// SAFETY: the implementation must describe the request truly: IOCTL_PRIVCMD_HYPERCALL reads one
// `struct privcmd_hypercall`, which `Hypercall` is field by field (asserted below), writes nothing
// back and returns the hypercall's own result.
unsafe impl Ioctl for Hypercall {
    type Output = i32;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        IOCTL_PRIVCMD_HYPERCALL
    }

    fn as_ptr(&mut self) -> *mut c_void {
        (&raw mut *self).cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

/// `__HYPERVISOR_xen_version`, `xen/include/public/xen.h`.
const XEN_VERSION: u64 = 17;
/// `XENVER_version`, `xen/include/public/version.h`.
const XENVER_VERSION: u64 = 0;
/// `_IOC(_IOC_NONE, 'P', 0, sizeof(struct privcmd_hypercall))`.
const IOCTL_PRIVCMD_HYPERCALL: Opcode = 0x30_5000;

const _: () = assert!(size_of::<Hypercall>() == 48);
