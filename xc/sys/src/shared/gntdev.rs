//! Linux's `/dev/xen/gntdev`: mapping and copying what other domains have granted
//! (`include/uapi/xen/gntdev.h`).

use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::Opcode;

use super::mapping::Mapping;
use super::request::{self, number, request};

/// An open `/dev/xen/gntdev`.
#[derive(Debug)]
pub struct Gntdev(OwnedFd);

/// A grant of a domain: an entry of `struct ioctl_gntdev_map_grant_ref`.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantOf {
    /// The domain that grants.
    pub domid: u32,
    /// The reference in its table.
    pub reference: u32,
}

/// Argument of `SET_UNMAP_NOTIFY`, of this device and of gntalloc.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnmapNotify {
    /// The byte, as an offset into the file.
    pub index: u64,
    /// [`UNMAP_NOTIFY_CLEAR_BYTE`], [`UNMAP_NOTIFY_SEND_EVENT`], both or, to forget it, neither.
    pub action: u32,
    /// The local port through which the event is sent.
    pub event_channel_port: u32,
}

/// One copy: from or to a grant, or from one to another.
#[derive(Debug)]
pub struct GrantCopy<'a> {
    /// What is copied.
    pub source: CopySource<'a>,
    /// Where to.
    pub dest: CopyDest<'a>,
    /// How many bytes; a buffer of this process is exactly so long.
    pub len: u16,
}

/// Where a copy comes from.
#[derive(Debug)]
pub enum CopySource<'a> {
    /// A buffer of this process.
    Local(&'a [u8]),
    /// A grant.
    Grant(PartOfGrant),
}

/// Where a copy goes to.
#[derive(Debug)]
pub enum CopyDest<'a> {
    /// A buffer of this process.
    Local(&'a mut [u8]),
    /// A grant.
    Grant(PartOfGrant),
}

/// A place in a granted page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartOfGrant {
    /// The domain that grants.
    pub domid: u16,
    /// The reference in its table.
    pub reference: u32,
    /// From which byte of the page on.
    pub offset: u16,
}

impl Gntdev {
    /// Where Linux offers it.
    pub const DEVICE: &str = "/dev/xen/gntdev";

    /// Opens the device.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` where there is no such device.
    pub fn open() -> Result<Self, Errno> {
        request::open(Self::DEVICE).map(Self)
    }

    /// `MAP_GRANT_REF`: has the kernel take note of grants; the offset at which to map them.
    ///
    /// # Errors
    /// `EINVAL` for none or, in all mappings of the host, more than the module's `limit`.
    pub fn map_grant_ref(&self, grants: &[GrantOf]) -> Result<u64, Errno> {
        let count = u32::try_from(grants.len()).map_err(|_| Errno::INVAL)?;
        // The structure as 64-bit words, little-endian: count and padding, the offset, the grants.
        let mut words = vec![u64::from(count), 0];
        words.extend(grants.iter().map(|g| u64::from(g.domid) | u64::from(g.reference) << 32));
        if grants.is_empty() {
            return Err(Errno::INVAL);
        }
        // SAFETY: the driver reads two words and as many more as the first one says, which are there,
        // and writes the second.
        unsafe { request::<IOCTL_GNTDEV_MAP_GRANT_REF>(&self.0, words.as_mut_ptr().cast()) }?;
        Ok(words[1])
    }

    /// Maps grants that [`Gntdev::map_grant_ref`] noted, all of them.
    ///
    /// # Errors
    /// `EINVAL` if one is not granted, or only for reading and `writable` was asked for.
    pub fn mmap(&self, index: u64, pages: usize, writable: bool) -> Result<Mapping, Errno> {
        Mapping::new(self.0.as_fd(), index, pages, writable)
    }

    /// `UNMAP_GRANT_REF`: has the kernel forget grants, unmapped before.
    ///
    /// # Errors
    /// `ENOENT` if no such were noted.
    pub fn unmap_grant_ref(&self, index: u64, count: u32) -> Result<(), Errno> {
        let mut argument = UnmapGrantRef { index, count, pad: 0 };
        let argument = (&raw mut argument).cast();
        // SAFETY: one structure of the request's type must be readable: it was made above, and the
        // driver is done with it at the return.
        unsafe { request::<IOCTL_GNTDEV_UNMAP_GRANT_REF>(&self.0, argument) }.map(drop)
    }

    /// `SET_UNMAP_NOTIFY`: what to do when the page is unmapped, however that comes.
    ///
    /// # Errors
    /// `EINVAL` if the port is not bound by a process, or a byte of a read-only page is to be
    /// cleared; `ENOENT` if there is no such page.
    pub fn set_unmap_notify(&self, mut notify: UnmapNotify) -> Result<(), Errno> {
        let argument = (&raw mut notify).cast();
        // SAFETY: one structure of the request's type must be readable: it was made above, and the
        // driver is done with it at the return.
        unsafe { request::<IOCTL_GNTDEV_SET_UNMAP_NOTIFY>(&self.0, argument) }.map(drop)
    }

    /// `GRANT_COPY`: copies without mapping; the hypervisor's status (`GNTST_*`) of each.
    ///
    /// # Errors
    /// `EINVAL` if a copy has a buffer of this process at both ends, goes beyond a page, or its
    /// length is not that of its buffer.
    pub fn grant_copy(&self, copies: &mut [GrantCopy<'_>]) -> Result<Vec<i16>, Errno> {
        let count = u32::try_from(copies.len()).map_err(|_| Errno::INVAL)?;
        let mut segments: Vec<CopySegment> =
            copies.iter_mut().map(CopySegment::of).collect::<Result<_, _>>()?;
        let mut argument = Copies { count, segments: segments.as_mut_ptr() };
        let argument = (&raw mut argument).cast();
        // SAFETY: the driver reads the structure and `count` segments behind its pointer, and writes
        // the status of each. It reads and writes `len` bytes behind the segments' own pointers, which
        // `CopySegment::of` compared with the buffers that `copies` borrows, for writing where the
        // bytes go to.
        unsafe { request::<IOCTL_GNTDEV_GRANT_COPY>(&self.0, argument) }?;
        Ok(segments.iter().map(|segment| segment.status).collect())
    }
}

#[repr(C)]
struct UnmapGrantRef {
    index: u64,
    count: u32,
    pad: u32,
}

/// `struct ioctl_gntdev_grant_copy`.
#[repr(C)]
struct Copies {
    count: u32,
    segments: *mut CopySegment,
}

/// `struct gntdev_grant_copy_segment`; the unions are an address or, in the order of the header,
/// reference, offset and domain.
#[repr(C)]
struct CopySegment {
    source: u64,
    dest: u64,
    len: u16,
    flags: u16,
    status: i16,
}

impl CopySegment {
    fn of(copy: &mut GrantCopy<'_>) -> Result<Self, Errno> {
        let exact =
            |buffer: usize| if buffer == copy.len.into() { Ok(()) } else { Err(Errno::INVAL) };
        let (source, from) = match &copy.source {
            CopySource::Local(bytes) => {
                exact(bytes.len())?;
                (bytes.as_ptr() as u64, 0)
            }
            CopySource::Grant(part) => (part.word(), GNTCOPY_SOURCE_GREF),
        };
        let (dest, to) = match &mut copy.dest {
            CopyDest::Local(bytes) => {
                exact(bytes.len())?;
                (bytes.as_mut_ptr() as u64, 0)
            }
            CopyDest::Grant(part) => (part.word(), GNTCOPY_DEST_GREF),
        };
        Ok(Self { source, dest, len: copy.len, flags: from | to, status: 0 })
    }
}

impl PartOfGrant {
    fn word(self) -> u64 {
        u64::from(self.reference) | u64::from(self.offset) << 32 | u64::from(self.domid) << 48
    }
}

/// Sets the byte to zero.
pub const UNMAP_NOTIFY_CLEAR_BYTE: u32 = 1;
/// Sends an event.
pub const UNMAP_NOTIFY_SEND_EVENT: u32 = 2;

/// `GNTCOPY_*`, `xen/include/public/grant_table.h`.
const GNTCOPY_SOURCE_GREF: u16 = 1;
const GNTCOPY_DEST_GREF: u16 = 2;

/// Notes grants, see [`Gntdev::map_grant_ref`].
pub const IOCTL_GNTDEV_MAP_GRANT_REF: Opcode = number(b'G', 0, 16 + size_of::<GrantOf>());
/// Forgets grants, see [`Gntdev::unmap_grant_ref`].
pub const IOCTL_GNTDEV_UNMAP_GRANT_REF: Opcode = number(b'G', 1, size_of::<UnmapGrantRef>());
/// Finds the offset of an address; not needed by whoever keeps the offset.
pub const IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR: Opcode = number(b'G', 2, 24);
/// Sets how many grants one file may map; Linux has had no such limit since 5.4 and says `ENOTTY`.
pub const IOCTL_GNTDEV_SET_MAX_GRANTS: Opcode = number(b'G', 3, 4);
/// Sets what happens at the unmapping, see [`Gntdev::set_unmap_notify`].
pub const IOCTL_GNTDEV_SET_UNMAP_NOTIFY: Opcode = number(b'G', 7, size_of::<UnmapNotify>());
/// Copies, see [`Gntdev::grant_copy`].
pub const IOCTL_GNTDEV_GRANT_COPY: Opcode = number(b'G', 8, size_of::<Copies>());

// The numbers are those that a C compiler computes from the header of Linux 6.1.
const _: () = assert!(IOCTL_GNTDEV_MAP_GRANT_REF == 1_591_040);
const _: () = assert!(IOCTL_GNTDEV_UNMAP_GRANT_REF == 1_066_753);
const _: () = assert!(IOCTL_GNTDEV_GET_OFFSET_FOR_VADDR == 1_591_042);
const _: () = assert!(IOCTL_GNTDEV_SET_MAX_GRANTS == 280_323);
const _: () = assert!(IOCTL_GNTDEV_SET_UNMAP_NOTIFY == 1_066_759);
const _: () = assert!(IOCTL_GNTDEV_GRANT_COPY == 1_066_760);
const _: () = assert!(size_of::<CopySegment>() == 24 && offset_of!(CopySegment, status) == 20);
const _: () = assert!(offset_of!(Copies, segments) == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_grant_is_reference_offset_and_domain() {
        let part = PartOfGrant { domid: 0x1122, reference: 0x3344_5566, offset: 0x0788 };
        assert_eq!(part.word().to_le_bytes(), [0x66, 0x55, 0x44, 0x33, 0x88, 0x07, 0x22, 0x11]);
    }

    #[test]
    fn a_copy_that_is_longer_than_its_buffer_never_reaches_the_kernel() {
        let grant = PartOfGrant { domid: 0, reference: 8, offset: 0 };
        let mut bytes = [0; 8];
        let dest = CopyDest::Local(&mut bytes);
        let mut copy = GrantCopy { source: CopySource::Grant(grant), dest, len: 9 };
        assert_eq!(CopySegment::of(&mut copy).err(), Some(Errno::INVAL));
        let source = CopySource::Local(b"1234");
        let mut copy = GrantCopy { source, dest: CopyDest::Grant(grant), len: 5 };
        assert_eq!(CopySegment::of(&mut copy).err(), Some(Errno::INVAL));
    }
}
