//! Mapping what other domains have granted to this one.

use std::ops::Deref;
use std::sync::Arc;

use xen_types::{DomId, GrantRef};
use xenctrl_sys::shared::Gntdev;

use super::OnUnmap;
use super::backend::{GrantDevice, GrantOf};
use super::slot::{Release, Slot};
use crate::error::{Error, Result};
use crate::shared::{Access, Fault, SharedMemory};

/// The grants that other domains have given to this one; clones share the open device.
///
/// In a process forked from the one that opened it, every call fails with
/// [`Kind::Gone`](crate::Kind::Gone), nothing is mapped, and dropping a mapping does nothing.
#[derive(Debug, Clone)]
pub struct Grants {
    pub(super) device: Arc<dyn GrantDevice>,
    /// The process that opened the device.
    pid: u32,
}

impl Grants {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where there is none,
    /// [`Kind::Denied`](crate::Kind::Denied) without the permission.
    #[doc(alias = "xengnttab_open")]
    pub fn open() -> Result<Self> {
        let device = Gntdev::open()
            .map_err(|e| Error::new(format!("open {}", Gntdev::DEVICE), Fault::Device(e)))?;
        Ok(Self::with_device(Arc::new(device)))
    }

    /// A device made elsewhere, such as by a simulated machine.
    pub fn with_device(device: Arc<dyn GrantDevice>) -> Self {
        Self { device, pid: std::process::id() }
    }

    /// Maps grants of `dom`, one page each, in this order and next to each other.
    ///
    /// The kernel's limit is the parameter `limit` of the module `xen-gntdev` for one mapping, 65536
    /// pages by default; the domain has another one for all (`max_maptrack_frames` of Xen).
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if there are no references, if one of them is not
    /// granted to this domain or only for reading and writing was asked for, and if there is no such
    /// domain: the kernel does not say which.
    #[doc(alias = "xengnttab_map_domain_grant_refs")]
    #[doc(alias = "xengnttab_map_grant_ref")]
    #[doc(alias = "xengnttab_map_grant_ref_notify")]
    pub fn map(&self, dom: DomId, refs: &[GrantRef], access: Access) -> Result<MappedGrants> {
        let map = || {
            let device = self.device()?;
            let count = u32::try_from(refs.len()).map_err(|_| Fault::Invalid("too many pages"))?;
            let grants: Vec<_> =
                refs.iter().map(|r| GrantOf { domid: dom.into(), reference: r.0 }).collect();
            let index = device.map_grant_ref(&grants)?;
            let slot = Slot::new(self.clone(), index, count);
            // Where this fails, the slot is given up when it is dropped.
            let memory = SharedMemory::new(device.mmap(index, refs.len(), access.is_write())?);
            Ok(MappedGrants { memory, slot })
        };
        map().map_err(|fault: Fault| Error::on(format!("map {}", Listed(refs)), dom, fault))
    }

    pub(super) fn device(&self) -> Result<&dyn GrantDevice, Fault> {
        if std::process::id() == self.pid { Ok(&*self.device) } else { Err(Fault::UsedAfterFork) }
    }
}

/// Mapped grants, accessed through [`SharedMemory`]; dropped, they are unmapped.
#[derive(Debug)]
pub struct MappedGrants {
    // In this order: the kernel forgets only what is unmapped.
    memory: SharedMemory,
    slot: Slot<Grants>,
}

impl MappedGrants {
    /// Says what the kernel is to do when these pages are unmapped, however that comes. There is one
    /// such order for each mapping, the last one.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the byte to clear lies beyond the pages or they are
    /// mapped for reading only, or no process has bound the port.
    pub fn on_unmap(&self, order: OnUnmap) -> Result<()> {
        let set = || {
            if order.clear.is_some() && !self.memory.is_writable() {
                return Err(Fault::Invalid("the byte to clear is mapped for reading only"));
            }
            let request = order.request(self.slot.index, self.memory.len())?;
            Ok(self.slot.device.device()?.set_unmap_notify(request)?)
        };
        set().map_err(|fault| Error::new("set what happens when grants are unmapped", fault))
    }

    /// Unmaps them, telling whether that worked.
    ///
    /// # Errors
    /// When the kernel refuses; the mapping is given up in any case.
    #[doc(alias = "xengnttab_unmap")]
    pub fn close(self) -> Result<()> {
        let Self { memory, mut slot } = self;
        memory
            .unmap()
            .and_then(|()| slot.release())
            .map_err(|fault| Error::new("unmap grants", fault))
    }
}

impl Deref for MappedGrants {
    type Target = SharedMemory;

    fn deref(&self) -> &SharedMemory {
        &self.memory
    }
}

impl Release for Grants {
    fn release(&self, index: u64, count: u32) -> Result<(), Fault> {
        Ok(self.device()?.unmap_grant_ref(index, count)?)
    }
}

/// References in the words of an error: the first, and how many.
pub(super) struct Listed<'a>(pub(super) &'a [GrantRef]);

impl std::fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            [] => f.write_str("no grants"),
            [one] => write!(f, "grant {one}"),
            [first, rest @ ..] => write!(f, "grant {first} and {} more", rest.len()),
        }
    }
}
