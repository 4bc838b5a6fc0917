//! Memory of other domains, mapped by frame number: a right of those who build and serve domains.
//!
//! Linux's `/dev/xen/privcmd` maps it, whose interface does not depend on the release of Xen.
//!
//! ```
//! use xc::foreign::ForeignMemory;
//! use xc::grant::Access;
//! use xc::Kind;
//! use xen_types::{DomId, Gfn};
//!
//! fn first_byte(dom: DomId, gfn: Gfn) -> xc::Result<u8> {
//!     ForeignMemory::open()?.map(dom, &[gfn], Access::Read)?.load_u8(0)
//! }
//!
//! match first_byte(DomId::DOM0, Gfn(1)) {
//!     Err(e) if e.kind() == Kind::Unavailable => println!("no Xen here: {e}"),
//!     other => println!("{other:?}"),
//! }
//! ```
//!
//! What it does not do: find out which frames a domain has, or keep the domain from changing them.
//! A domain whose frames are mapped can be destroyed, but stays as a dying one until they are
//! unmapped.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::{DomId, Gfn, PageCount};
use xenctrl_sys::shared::Privcmd;
pub use xenctrl_sys::shared::{MappedFrames, Mapping, ResourceOf};

use crate::error::{Error, Result};
pub use crate::shared::FrameFailure;
use crate::shared::{Access, Fault, SharedMemory};

/// The memory of other domains; clones share the open device.
///
/// In a process forked from the one that opened it every call fails with
/// [`Kind::Gone`](crate::Kind::Gone), and nothing is mapped.
#[derive(Debug, Clone)]
pub struct ForeignMemory {
    device: Arc<dyn ForeignDevice>,
    /// The process that opened the device.
    pid: u32,
}

/// What an open `/dev/xen/privcmd` does for mappings, request by request: the seam.
pub trait ForeignDevice: Debug + Send + Sync {
    /// `mmap` and `IOCTL_PRIVCMD_MMAPBATCH_V2`.
    fn map_frames(&self, domid: u16, frames: &[u64], writable: bool)
    -> Result<MappedFrames, Errno>;
    /// `mmap` and `IOCTL_PRIVCMD_MMAP_RESOURCE`.
    fn map_resource(
        &self,
        resource: ResourceOf,
        first: u32,
        pages: usize,
        writable: bool,
    ) -> Result<Mapping, Errno>;
    /// `IOCTL_PRIVCMD_MMAP_RESOURCE` without an address.
    fn resource_size(&self, resource: ResourceOf) -> Result<u64, Errno>;
    /// `IOCTL_PRIVCMD_RESTRICT`.
    fn restrict(&self, domid: u16) -> Result<(), Errno>;
}

/// Pages of the hypervisor that belong to a domain (`XENMEM_resource_*`,
/// `xen/include/public/memory.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// The request pages of an emulator: the first is that of buffered requests, the others those of
    /// the virtual processors.
    IoreqServer(u16),
    /// The grant table: entries of version 1 or 2.
    GrantTable,
    /// The status of the entries of a grant table of version 2.
    GrantStatus,
    /// The trace buffer of a virtual processor.
    VmTrace(u32),
}

impl ForeignMemory {
    /// The most frames in one mapping, 4 GiB.
    pub const MOST_FRAMES: usize = 1 << 20;

    /// Opens the device.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where there is none,
    /// [`Kind::Denied`](crate::Kind::Denied) without the permission.
    #[doc(alias = "xenforeignmemory_open")]
    pub fn open() -> Result<Self> {
        let device = Privcmd::open()
            .map_err(|e| Error::new(format!("open {}", Privcmd::DEVICE), Fault::Device(e)))?;
        Ok(Self::with_device(Arc::new(device)))
    }

    /// A device made elsewhere, such as by a simulated machine.
    pub fn with_device(device: Arc<dyn ForeignDevice>) -> Self {
        Self { device, pid: std::process::id() }
    }

    /// Maps frames of `dom`, in this order and next to each other; all of them, or none. For a PV
    /// domain the numbers are machine frames.
    ///
    /// # Errors
    /// What the first frame that could not be mapped says, [`Kind::Invalid`](crate::Kind::Invalid)
    /// if the domain has no such frame; [`Error::failed_frames`] has all of them.
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such domain,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for no frames or more than
    /// [`ForeignMemory::MOST_FRAMES`], [`Kind::Again`](crate::Kind::Again) if a frame is paged out:
    /// its pager has been told.
    #[doc(alias = "xenforeignmemory_map2")]
    #[doc(alias = "xc_map_foreign_range")]
    pub fn map(&self, dom: DomId, frames: &[Gfn], access: Access) -> Result<ForeignPages> {
        let map = || match self.frames(dom, frames, access)? {
            (mapping, failures) if failures.is_empty() => {
                Ok(ForeignPages { memory: SharedMemory::new(mapping) })
            }
            (_, failures) => Err(Fault::Frames(failures)),
        };
        map().map_err(|fault| Self::unmapped(dom, frames, fault))
    }

    /// The same, but frames that cannot be mapped are left out: every access to one fails, and
    /// [`ForeignPages::failures`] says which they are and why.
    ///
    /// # Errors
    /// As for [`ForeignMemory::map`], but for those of single frames.
    #[doc(alias = "xenforeignmemory_map2")]
    pub fn map_present(&self, dom: DomId, frames: &[Gfn], access: Access) -> Result<ForeignPages> {
        let (mapping, failures) =
            self.frames(dom, frames, access).map_err(|fault| Self::unmapped(dom, frames, fault))?;
        Ok(ForeignPages { memory: SharedMemory::with_holes(mapping, failures) })
    }

    /// Maps `pages` pages of a resource of `dom`, from page `first` on.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such domain,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has no such resource, if that is smaller, or
    /// for no pages or more than [`ForeignMemory::MOST_FRAMES`],
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if Xen does not know the resource.
    #[doc(alias = "xenforeignmemory_map_resource")]
    pub fn map_resource(
        &self,
        dom: DomId,
        resource: Resource,
        first: u32,
        pages: usize,
        access: Access,
    ) -> Result<ForeignPages> {
        let map = || {
            let device = self.device()?;
            let of = resource.of(dom);
            let mapping = device.map_resource(of, first, few(pages)?, access.is_write())?;
            Ok(ForeignPages { memory: SharedMemory::new(mapping) })
        };
        map().map_err(|fault: Fault| {
            Error::on(format!("map {pages} pages of {resource:?}"), dom, fault)
        })
    }

    /// How large a resource of `dom` is, or may become: for a grant table it is the most it may have.
    ///
    /// # Errors
    /// As for [`ForeignMemory::map_resource`]; [`Kind::Invalid`](crate::Kind::Invalid) also before
    /// Linux 5.13.
    #[doc(alias = "xenforeignmemory_resource_size")]
    pub fn resource_size(&self, dom: DomId, resource: Resource) -> Result<PageCount> {
        self.device()
            .and_then(|device| Ok(device.resource_size(resource.of(dom))?))
            .map(PageCount)
            .map_err(|fault| Error::on(format!("ask the size of {resource:?}"), dom, fault))
    }

    /// Restricts the open device to one domain, for good: other domains' memory can no longer be
    /// mapped through it.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it is restricted to another domain already.
    #[doc(alias = "xenforeignmemory_restrict")]
    pub fn restrict(&self, dom: DomId) -> Result<()> {
        self.device()
            .and_then(|device| Ok(device.restrict(dom.raw())?))
            .map_err(|fault| Error::on("restrict foreign memory to it", dom, fault))
    }

    fn frames(
        &self,
        dom: DomId,
        frames: &[Gfn],
        access: Access,
    ) -> Result<(Mapping, Vec<FrameFailure>), Fault> {
        let device = self.device()?;
        few(frames.len())?;
        let numbers: Vec<u64> = frames.iter().map(|gfn| gfn.0).collect();
        let mapped = device.map_frames(dom.raw(), &numbers, access.is_write())?;
        let failures = mapped.failures.iter().zip(frames).enumerate();
        let failures = failures
            .filter(|(_, (errno, _))| **errno != 0)
            .map(|(index, (errno, gfn))| FrameFailure {
                index,
                gfn: *gfn,
                errno: Errno::from_raw_os_error(*errno),
            })
            .collect();
        Ok((mapped.mapping, failures))
    }

    fn unmapped(dom: DomId, frames: &[Gfn], fault: Fault) -> Error {
        Error::on(format!("map {} frames", frames.len()), dom, fault)
    }

    fn device(&self) -> Result<&dyn ForeignDevice, Fault> {
        if std::process::id() == self.pid { Ok(&*self.device) } else { Err(Fault::UsedAfterFork) }
    }
}

/// Mapped pages of another domain, accessed through [`SharedMemory`]; dropped, they are unmapped.
#[derive(Debug)]
pub struct ForeignPages {
    memory: SharedMemory,
}

impl ForeignPages {
    /// The frames that could not be mapped, in ascending order of their index.
    pub fn failures(&self) -> &[FrameFailure] {
        self.memory.holes()
    }

    /// Unmaps them, telling whether that worked.
    ///
    /// # Errors
    /// When the kernel refuses; the mapping is given up in any case.
    #[doc(alias = "xenforeignmemory_unmap")]
    pub fn close(self) -> Result<()> {
        self.memory.unmap().map_err(|fault| Error::new("unmap foreign memory", fault))
    }
}

impl Deref for ForeignPages {
    type Target = SharedMemory;

    fn deref(&self) -> &SharedMemory {
        &self.memory
    }
}

impl ForeignDevice for Privcmd {
    fn map_frames(
        &self,
        domid: u16,
        frames: &[u64],
        writable: bool,
    ) -> Result<MappedFrames, Errno> {
        self.map_frames(domid, frames, writable)
    }
    fn map_resource(
        &self,
        resource: ResourceOf,
        first: u32,
        pages: usize,
        writable: bool,
    ) -> Result<Mapping, Errno> {
        self.map_resource(resource, first, pages, writable)
    }
    fn resource_size(&self, resource: ResourceOf) -> Result<u64, Errno> {
        self.resource_size(resource)
    }
    fn restrict(&self, domid: u16) -> Result<(), Errno> {
        self.restrict(domid)
    }
}

impl Resource {
    /// The numbers of `XENMEM_resource_*` and `XENMEM_resource_grant_table_id_*`.
    fn of(self, dom: DomId) -> ResourceOf {
        let (kind, id) = match self {
            Self::IoreqServer(id) => (0, id.into()),
            Self::GrantTable => (1, 0),
            Self::GrantStatus => (1, 1),
            Self::VmTrace(vcpu) => (2, vcpu),
        };
        ResourceOf { domid: dom.raw(), kind, id }
    }
}

fn few(pages: usize) -> Result<usize, Fault> {
    if pages > ForeignMemory::MOST_FRAMES {
        return Err(Fault::Invalid("more than 4 GiB in one mapping"));
    }
    Ok(pages)
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
