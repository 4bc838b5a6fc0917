//! The seam: the requests of the two grant devices.

use std::fmt::Debug;

use rustix::io::Errno;
pub use xenctrl_sys::shared::{
    CopyDest, CopySource, GrantCopy, GrantOf, Mapping, PartOfGrant, UNMAP_NOTIFY_CLEAR_BYTE,
    UNMAP_NOTIFY_SEND_EVENT, UnmapNotify,
};
use xenctrl_sys::shared::{Gntalloc, Gntdev};

/// What an open `/dev/xen/gntdev` does, request by request.
pub trait GrantDevice: Debug + Send + Sync {
    /// `IOCTL_GNTDEV_MAP_GRANT_REF`: takes note of grants; the offset at which to map them.
    fn map_grant_ref(&self, grants: &[GrantOf]) -> Result<u64, Errno>;
    /// `mmap` of grants noted, from their offset on.
    fn mmap(&self, index: u64, pages: usize, writable: bool) -> Result<Mapping, Errno>;
    /// `IOCTL_GNTDEV_UNMAP_GRANT_REF`: forgets grants, unmapped before.
    fn unmap_grant_ref(&self, index: u64, count: u32) -> Result<(), Errno>;
    /// `IOCTL_GNTDEV_SET_UNMAP_NOTIFY`: one for a mapping; the last one counts.
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno>;
    /// `IOCTL_GNTDEV_GRANT_COPY`: the hypervisor's status of each copy.
    fn grant_copy(&self, copies: &mut [GrantCopy<'_>]) -> Result<Vec<i16>, Errno>;
}

/// What an open `/dev/xen/gntalloc` does, request by request.
pub trait ShareDevice: Debug + Send + Sync {
    /// `IOCTL_GNTALLOC_ALLOC_GREF`: allocates and grants pages; the offset at which to map them, and
    /// the references.
    fn alloc_gref(&self, domid: u16, writable: bool, count: u32) -> Result<(u64, Vec<u32>), Errno>;
    /// `mmap` of pages allocated, from their offset on.
    fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno>;
    /// `IOCTL_GNTALLOC_DEALLOC_GREF`: ends grants.
    fn dealloc_gref(&self, index: u64, count: u32) -> Result<(), Errno>;
    /// `IOCTL_GNTALLOC_SET_UNMAP_NOTIFY`: one for a page; the last one counts.
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno>;
}

impl GrantDevice for Gntdev {
    fn map_grant_ref(&self, grants: &[GrantOf]) -> Result<u64, Errno> {
        self.map_grant_ref(grants)
    }
    fn mmap(&self, index: u64, pages: usize, writable: bool) -> Result<Mapping, Errno> {
        self.mmap(index, pages, writable)
    }
    fn unmap_grant_ref(&self, index: u64, count: u32) -> Result<(), Errno> {
        self.unmap_grant_ref(index, count)
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        self.set_unmap_notify(notify)
    }
    fn grant_copy(&self, copies: &mut [GrantCopy<'_>]) -> Result<Vec<i16>, Errno> {
        self.grant_copy(copies)
    }
}

impl ShareDevice for Gntalloc {
    fn alloc_gref(&self, domid: u16, writable: bool, count: u32) -> Result<(u64, Vec<u32>), Errno> {
        self.alloc_gref(domid, writable, count)
    }
    fn mmap(&self, index: u64, pages: usize) -> Result<Mapping, Errno> {
        self.mmap(index, pages)
    }
    fn dealloc_gref(&self, index: u64, count: u32) -> Result<(), Errno> {
        self.dealloc_gref(index, count)
    }
    fn set_unmap_notify(&self, notify: UnmapNotify) -> Result<(), Errno> {
        self.set_unmap_notify(notify)
    }
}
