//! What Linux's `/dev/xen/privcmd` maps: frames and resources of other domains
//! (`include/uapi/xen/privcmd.h`).

use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::Opcode;

use super::mapping::Mapping;
use super::request::{self, number, request};
use crate::privcmd::PATH;

/// An open `/dev/xen/privcmd`, for mappings.
#[derive(Debug)]
pub struct Privcmd(OwnedFd);

/// Frames of a domain as they were mapped.
#[derive(Debug)]
pub struct MappedFrames {
    /// The pages, in the order of the frames. Touching one that failed ends the process with
    /// SIGBUS.
    pub mapping: Mapping,
    /// For each frame 0, or the error number with which it could not be mapped.
    pub failures: Vec<i32>,
}

/// A resource of a domain (`XENMEM_acquire_resource`, `xen/include/public/memory.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceOf {
    /// The domain.
    pub domid: u16,
    /// Which kind, `XENMEM_resource_*`.
    pub kind: u32,
    /// Which of its kind.
    pub id: u32,
}

impl Privcmd {
    /// Where Linux offers it.
    pub const DEVICE: &str = PATH;

    /// Opens the device.
    ///
    /// # Errors
    /// The kernel's: `ENOENT` where there is no such device.
    pub fn open() -> Result<Self, Errno> {
        request::open(PATH).map(Self)
    }

    /// `MMAPBATCH_V2`: maps frames of a domain.
    ///
    /// # Errors
    /// `ESRCH` if there is no such domain, `EPERM` if the file is restricted to another one,
    /// `EINVAL` for no frames.
    pub fn map_frames(
        &self,
        domid: u16,
        frames: &[u64],
        writable: bool,
    ) -> Result<MappedFrames, Errno> {
        let num = u32::try_from(frames.len()).map_err(|_| Errno::INVAL)?;
        let mapping = Mapping::new(self.0.as_fd(), 0, frames.len(), writable)?;
        let mut failures = vec![0; frames.len()];
        let (addr, arr, err) = (mapping.address() as u64, frames.as_ptr(), failures.as_mut_ptr());
        let mut argument = MmapBatchV2 { num, dom: domid, addr, arr, err };
        let argument = (&raw mut argument).cast();
        // SAFETY: the driver reads the structure and `num` frame numbers, writes `num` errors, and puts
        // pages into the mapping at `addr`, which is of this length and not used by anybody yet.
        match unsafe { request::<IOCTL_PRIVCMD_MMAPBATCH_V2>(&self.0, argument) } {
            // ENOENT: all is done, and a frame is paged out.
            Ok(_) | Err(Errno::NOENT) => {}
            Err(e) => return Err(e),
        }
        for failure in &mut failures {
            *failure = failure.saturating_neg();
        }
        Ok(MappedFrames { mapping, failures })
    }

    /// `MMAP_RESOURCE`: maps `pages` pages of a resource, from page `first` on.
    ///
    /// # Errors
    /// `ESRCH` if there is no such domain, `EINVAL` if there is no such resource or it is smaller.
    pub fn map_resource(
        &self,
        resource: ResourceOf,
        first: u32,
        pages: usize,
        writable: bool,
    ) -> Result<Mapping, Errno> {
        let mapping = Mapping::new(self.0.as_fd(), 0, pages, writable)?;
        let mut argument = MmapResource {
            dom: resource.domid,
            kind: resource.kind,
            id: resource.id,
            idx: first,
            num: pages as u64,
            addr: mapping.address() as u64,
        };
        let argument = (&raw mut argument).cast();
        // SAFETY: the driver reads and writes one structure of this type, and puts `num` pages into
        // the mapping at `addr`, which is of this length and not used by anybody yet.
        unsafe { request::<IOCTL_PRIVCMD_MMAP_RESOURCE>(&self.0, argument) }?;
        Ok(mapping)
    }

    /// `MMAP_RESOURCE` without an address: how many pages a resource has.
    ///
    /// # Errors
    /// As for [`Privcmd::map_resource`]; `EINVAL` also before Linux 5.13.
    pub fn resource_size(&self, resource: ResourceOf) -> Result<u64, Errno> {
        let ResourceOf { domid: dom, kind, id } = resource;
        let mut sized = MmapResource { dom, kind, id, idx: 0, num: 0, addr: 0 };
        let argument = (&raw mut sized).cast();
        // SAFETY: the driver reads and writes one structure of this type; without an address it maps
        // nothing.
        unsafe { request::<IOCTL_PRIVCMD_MMAP_RESOURCE>(&self.0, argument) }?;
        Ok(sized.num)
    }

    /// `RESTRICT`: from now on this file is for one domain only, and for no hypercalls.
    ///
    /// # Errors
    /// `EINVAL` if it is restricted to another domain already.
    pub fn restrict(&self, domid: u16) -> Result<(), Errno> {
        let mut argument = domid;
        let argument = (&raw mut argument).cast();
        // SAFETY: one domain id must be readable: it was made above, and the driver is done with it at
        // the return.
        unsafe { request::<IOCTL_PRIVCMD_RESTRICT>(&self.0, argument) }.map(drop)
    }
}

/// `struct privcmd_mmapbatch_v2`.
#[repr(C)]
struct MmapBatchV2 {
    num: u32,
    dom: u16,
    addr: u64,
    arr: *const u64,
    err: *mut i32,
}

/// `struct privcmd_mmap_resource`.
#[repr(C)]
struct MmapResource {
    dom: u16,
    kind: u32,
    id: u32,
    idx: u32,
    num: u64,
    addr: u64,
}

/// Maps frames, see [`Privcmd::map_frames`].
pub const IOCTL_PRIVCMD_MMAPBATCH_V2: Opcode = number(b'P', 4, size_of::<MmapBatchV2>());
/// Restricts the file, see [`Privcmd::restrict`].
pub const IOCTL_PRIVCMD_RESTRICT: Opcode = number(b'P', 6, size_of::<u16>());
/// Maps a resource, see [`Privcmd::map_resource`].
pub const IOCTL_PRIVCMD_MMAP_RESOURCE: Opcode = number(b'P', 7, size_of::<MmapResource>());

// The numbers are those that a C compiler computes from the header of Linux 6.1.
const _: () = assert!(IOCTL_PRIVCMD_MMAPBATCH_V2 == 2_117_636);
const _: () = assert!(IOCTL_PRIVCMD_RESTRICT == 151_558);
const _: () = assert!(IOCTL_PRIVCMD_MMAP_RESOURCE == 2_117_639);
const _: () = assert!(offset_of!(MmapBatchV2, addr) == 8 && offset_of!(MmapBatchV2, err) == 24);
const _: () = assert!(offset_of!(MmapResource, kind) == 4 && offset_of!(MmapResource, addr) == 24);
