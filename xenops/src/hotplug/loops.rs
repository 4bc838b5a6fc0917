//! Loop devices: a file of the control domain as a block device, by ioctl (`linux/loop.h`).
//!
//! A loop device made here clears itself when its last user closes it. Until the backend has opened
//! it, this process keeps it open: whoever dies, nothing is left behind.

#![allow(unsafe_code, reason = "the ioctls of loop devices have no safe wrapper")]

use std::ffi::c_void;
use std::fmt;
use std::fs::File;
use std::io;
use std::num::ParseIntError;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::fs::{major, minor};
use rustix::io::Errno;
use rustix::ioctl::{Getter, Ioctl, IoctlOutput, Opcode, Setter, ioctl};

use super::system::{self, Access, LoopStatus, Node, Opened, System};
use crate::error::{Cause, Problem};

/// A loop device that this process holds open.
#[derive(Debug)]
pub(crate) struct LoopDevice {
    file: Box<dyn Opened>,
    path: PathBuf,
}

/// A block device's numbers; shown as `physical-device` and sysfs have them, in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DeviceNumber {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}

/// What a loop device is made of, as the kernel knows it, whatever its names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// A file, by the device it is on and its inode.
    File { on: u64, inode: u64 },
    /// A block device, by its number in the form of `stat`.
    Device(u64),
}

impl Backing {
    /// That of a file or a block device; `None` for anything else.
    pub(crate) fn of(node: Node) -> Option<Self> {
        match node {
            Node::File { on, inode } => Some(Self::File { on, inode }),
            Node::BlockDevice(number) => Some(Self::Device(number)),
            Node::Other => None,
        }
    }
}

impl LoopDevice {
    /// Makes a loop device of an open file, which shows itself under this name.
    pub(crate) fn make(
        system: &dyn System,
        image: &dyn Opened,
        name: &Path,
        read_only: bool,
    ) -> Result<Self, Cause> {
        let fail = |what, path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| Cause::File { what, path, source }
        };
        let control = Path::new(CONTROL);
        let free = system.open(control, Access::Write).map_err(fail("open", control))?;
        let access = if read_only { Access::Read } else { Access::Write };
        for _ in 0..ATTEMPTS {
            let number = free.free_loop();
            let number = number.map_err(fail("find a free loop device with", control))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let file = system.open(&path, access).map_err(fail("open", &path))?;
            match file.configure_loop(image, name, read_only) {
                // Somebody else found the same one free.
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
                Err(error) => return Err(fail("set up loop device", &path)(error)),
                Ok(()) => return Ok(Self { file, path }),
            }
        }
        Err(fail("find a free loop device with", control)(Errno::BUSY.into()))
    }

    /// The device's node.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The device's numbers.
    pub(crate) fn number(&self) -> Result<DeviceNumber, Cause> {
        let fail = |source| Cause::File { what: "look at", path: self.path.clone(), source };
        match self.file.stat().map_err(fail)? {
            Node::BlockDevice(number) => Ok(DeviceNumber::of(number)),
            Node::File { .. } | Node::Other => Err(Problem::NoDisk(self.path.clone()).into()),
        }
    }
}

impl DeviceNumber {
    /// The numbers in the form of `stat`.
    pub(crate) fn of(device: u64) -> Self {
        Self { major: major(device), minor: minor(device) }
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.major, self.minor)
    }
}

impl FromStr for DeviceNumber {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (major, minor) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { major: u32::from_str_radix(major, 16)?, minor: u32::from_str_radix(minor, 16)? })
    }
}

/// The loop devices that a file or a block device backs now.
pub(crate) fn loops_on(system: &dyn System, image: Backing) -> Result<Vec<PathBuf>, Cause> {
    let fail = |source| Cause::File { what: "list", path: BLOCK_DEVICES.into(), source };
    let mut found = Vec::new();
    for name in system.list(Path::new(BLOCK_DEVICES)).map_err(fail)? {
        // Bound ones have this folder.
        let bound = Path::new(BLOCK_DEVICES).join(&name).join("loop");
        let is_bound = || system::exists(system, &bound).map_err(fail);
        if !is_bound()? {
            continue;
        }
        let path = Path::new("/dev").join(name);
        let file = match system.open(&path, Access::Read) {
            Ok(file) => file,
            // It has cleared itself meanwhile.
            Err(_) if !is_bound()? => continue,
            Err(source) => return Err(Cause::File { what: "open", path, source }),
        };
        let status = match file.loop_status() {
            Ok(Some(status)) => status,
            Ok(None) => continue, // as above
            Err(source) => return Err(Cause::File { what: "look at", path, source }),
        };
        let same = match image {
            Backing::File { on, inode } => (status.on, status.inode) == (on, inode),
            Backing::Device(number) => status.real_device == number,
        };
        if same {
            found.push(path);
        }
    }
    Ok(found)
}

/// `LOOP_CTL_GET_FREE` on the control device.
pub(super) fn free(control: &File) -> io::Result<u32> {
    // SAFETY: `GetFree` must describe the request: see its implementation.
    let number = unsafe { ioctl(control, GetFree) }?;
    u32::try_from(number).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// `LOOP_CONFIGURE` on a loop device.
pub(super) fn configure(
    device: &File,
    image: &dyn Opened,
    name: &Path,
    read_only: bool,
) -> io::Result<()> {
    let read_only = if read_only { LO_FLAGS_READ_ONLY } else { 0 };
    let flags = LO_FLAGS_AUTOCLEAR | read_only;
    let info = LoopInfo64 { flags, file_name: shown(name), ..EMPTY_INFO };
    let fd = image.descriptor().cast_unsigned();
    let config = LoopConfig { fd, block_size: 0, info, reserved: [0; 8] };
    // SAFETY: the kernel must read no more than the value for this request (linux/loop.h), and take the
    // descriptor in it while that is open: it reads one `loop_config`, whose layout `LoopConfig` has, and
    // `image` is borrowed until the call has returned.
    let request = unsafe { Setter::<LOOP_CONFIGURE, LoopConfig>::new(config) };
    // SAFETY: the request must be the one that `Setter` was made for: its type carries it.
    Ok(unsafe { ioctl(device, request) }?)
}

/// `LOOP_GET_STATUS64` on a loop device; `None` if it is free.
pub(super) fn status(device: &File) -> io::Result<Option<LoopStatus>> {
    // SAFETY: the kernel must write a whole `loop_info64` for this request (linux/loop.h):
    // `LoopInfo64` has its layout, and any bytes are a value of it.
    let request = unsafe { Getter::<LOOP_GET_STATUS64, LoopInfo64>::new() };
    // SAFETY: the request must be the one that `Getter` was made for: its type carries it.
    match unsafe { ioctl(device, request) } {
        Ok(LoopInfo64 { device: on, inode, real_device, .. }) => {
            Ok(Some(LoopStatus { on, inode, real_device }))
        }
        Err(Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A name as the loop device has it for people: cut, with a NUL at its end.
fn shown(name: &Path) -> [u8; 64] {
    let mut shown = [0; 64];
    let bytes = name.as_os_str().as_bytes().iter().take(63);
    shown.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    shown
}

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    real_device: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

/// `LOOP_CTL_GET_FREE`, whose answer is its return value.
struct GetFree;

// SAFETY: the opcode must take no argument, and the output must be made of what the kernel returned:
// the control device ignores the argument of this request (drivers/block/loop.c) and the output is
// the returned number alone.
unsafe impl Ioctl for GetFree {
    type Output = i32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

const EMPTY_INFO: LoopInfo64 = LoopInfo64 {
    device: 0,
    inode: 0,
    real_device: 0,
    offset: 0,
    size_limit: 0,
    number: 0,
    encrypt_type: 0,
    encrypt_key_size: 0,
    flags: 0,
    file_name: [0; 64],
    crypt_name: [0; 64],
    encrypt_key: [0; 32],
    init: [0; 2],
};

const CONTROL: &str = "/dev/loop-control";
const BLOCK_DEVICES: &str = "/sys/block";

/// How often somebody else may take the device that was free.
const ATTEMPTS: u32 = 64;

const LOOP_GET_STATUS64: Opcode = 0x4C05;
/// Since Linux 5.8.
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

#[cfg(test)]
mod tests {
    use std::mem::{offset_of, size_of};

    use super::*;

    // As measured with a C compiler on linux/loop.h of Linux 6.1.
    #[test]
    fn layouts_are_those_of_the_header() {
        assert_eq!(size_of::<LoopInfo64>(), 232);
        assert_eq!(offset_of!(LoopInfo64, flags), 52);
        assert_eq!(offset_of!(LoopInfo64, file_name), 56);
        assert_eq!(offset_of!(LoopInfo64, init), 216);
        assert_eq!(size_of::<LoopConfig>(), 304);
        assert_eq!(offset_of!(LoopConfig, info), 8);
        assert_eq!(offset_of!(LoopConfig, reserved), 240);
    }

    #[test]
    fn a_long_name_of_an_image_still_ends() {
        let name = shown(Path::new(&"x".repeat(100)));
        assert_eq!((name[62], name[63]), (b'x', 0));
    }

    #[test]
    fn the_store_has_the_numbers_of_a_disk_in_hexadecimal() {
        let number = DeviceNumber { major: 202, minor: 17 };
        assert_eq!(number.to_string(), "ca:11");
        assert_eq!("ca:11".parse(), Ok(number));
        assert!("ca".parse::<DeviceNumber>().is_err());
    }

    #[test]
    fn numbers_of_devices_are_taken_apart_as_the_kernel_puts_them_together() {
        assert_eq!(DeviceNumber::of(0x0701), DeviceNumber { major: 7, minor: 1 });
        assert_eq!(DeviceNumber::of(0x0010_0801), DeviceNumber { major: 8, minor: 257 });
    }
}
