//! Linux's `/dev/xen/gntalloc`: pages of the kernel granted to another domain
//! (`include/uapi/xen/gntalloc.h`).

use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::Opcode;

use super::gntdev::UnmapNotify;
use super::mapping::Mapping;
use super::request::{self, number, request};

/// An open `/dev/xen/gntalloc`.
#[derive(Debug)]
pub struct Gntalloc(OwnedFd);

impl Gntalloc {
    /// Where Linux offers it.
    pub const DEVICE: &str = "/dev/xen/gntalloc";

    /// Opens the device.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` where there is no such device.
    pub fn open() -> Result<Self, Errno> {
        request::open(Self::DEVICE).map(Self)
    }

    /// `ALLOC_GREF`: allocates pages, zeroed, and grants each to a domain; the offset at which to map
    /// them, and the references.
    ///
    /// # Errors
    /// `ENOSPC` if the host would have more such pages than the module's `limit`, 1024 by default;
    /// `EINVAL` for none.
    pub fn alloc_gref(
        &self,
        domid: u16,
        writable: bool,
        count: u32,
    ) -> Result<(u64, Vec<u32>), Errno> {
        if count == 0 || count > MOST {
            return Err(if count == 0 { Errno::INVAL } else { Errno::NOSPC });
        }
        let flags = if writable { GNTALLOC_FLAG_WRITABLE } else { 0 };
        // The structure as 64-bit words, little-endian: domain, flags and count; the offset; two
        // references in each further word.
        let head = u64::from(domid) | u64::from(flags) << 16 | u64::from(count) << 32;
        let mut words = vec![0; 2 + count.div_ceil(2) as usize];
        words[0] = head;
        // SAFETY: the driver reads one structure, three words, and writes `count` references from the
        // third word on, two to a word: `words` has two and half as many, rounded up.
        unsafe { request::<IOCTL_GNTALLOC_ALLOC_GREF>(&self.0, words.as_mut_ptr().cast()) }?;
        let references = words[2..].iter().flat_map(|word| [*word as u32, (*word >> 32) as u32]);
        Ok((words[1], references.take(count as usize).collect()))
    }

    /// Maps pages that [`Gntalloc::alloc_gref`] made.
    ///
    /// # Errors
    /// `ENOENT` if there are none at this offset.
    pub fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno> {
        Mapping::new(self.0.as_fd(), index, pages, true)
    }

    /// `DEALLOC_GREF`: ends the grants. A page that the other domain has mapped is freed when it lets
    /// go of it; it cannot be mapped anew.
    ///
    /// # Errors
    /// `EINVAL` if there are none at this offset.
    pub fn dealloc_gref(&self, index: u64, count: u32) -> Result<(), Errno> {
        let mut argument = DeallocGref { index, count };
        let argument = (&raw mut argument).cast();
        // SAFETY: one structure of the request's type must be readable: it was made above, and the
        // driver is done with it at the return.
        unsafe { request::<IOCTL_GNTALLOC_DEALLOC_GREF>(&self.0, argument) }.map(drop)
    }

    /// `SET_UNMAP_NOTIFY`: what to do when the page is given up, however that comes.
    ///
    /// # Errors
    /// `EINVAL` if the port is not bound by a process, `ENOENT` if there is no such page.
    pub fn set_unmap_notify(&self, mut notify: UnmapNotify) -> Result<(), Errno> {
        let argument = (&raw mut notify).cast();
        // SAFETY: one structure of the request's type must be readable: it was made above, and the
        // driver is done with it at the return.
        unsafe { request::<IOCTL_GNTALLOC_SET_UNMAP_NOTIFY>(&self.0, argument) }.map(drop)
    }
}

#[repr(C)]
struct DeallocGref {
    index: u64,
    count: u32,
}

/// The other domain may write, too.
const GNTALLOC_FLAG_WRITABLE: u16 = 1;
/// More than any host has, and little enough to allocate for the answer.
const MOST: u32 = 1 << 20;

/// Allocates pages, see [`Gntalloc::alloc_gref`].
pub const IOCTL_GNTALLOC_ALLOC_GREF: Opcode = number(b'G', 5, 24);
/// Ends grants, see [`Gntalloc::dealloc_gref`].
pub const IOCTL_GNTALLOC_DEALLOC_GREF: Opcode = number(b'G', 6, size_of::<DeallocGref>());
/// Sets what happens at the end, see [`Gntalloc::set_unmap_notify`].
pub const IOCTL_GNTALLOC_SET_UNMAP_NOTIFY: Opcode = number(b'G', 7, size_of::<UnmapNotify>());

// The numbers are those that a C compiler computes from the header of Linux 6.1.
const _: () = assert!(IOCTL_GNTALLOC_ALLOC_GREF == 1_591_045);
const _: () = assert!(IOCTL_GNTALLOC_DEALLOC_GREF == 1_066_758);
const _: () = assert!(IOCTL_GNTALLOC_SET_UNMAP_NOTIFY == 1_066_759);
const _: () = assert!(offset_of!(DeallocGref, count) == 8);
