//! Pages of this domain, granted to another one.

use std::ops::Deref;
use std::sync::Arc;

use xen_types::{DomId, GrantRef};
use xenctrl_sys::shared::Gntalloc;

use super::OnUnmap;
use super::backend::ShareDevice;
use super::slot::{Release, Slot};
use crate::error::{Error, Result};
use crate::shared::{Access, Fault, SharedMemory};

/// The source of pages to share; clones share the open device.
///
/// In a process forked from the one that opened it, every call fails with
/// [`Kind::Gone`](crate::Kind::Gone), nothing is mapped, and dropping a share does nothing. While
/// the child runs it keeps the device open, so close-on-exec: the pages of a parent that died are
/// freed when the child has started another program or ends.
#[derive(Debug, Clone)]
pub struct Shares {
    device: Arc<dyn ShareDevice>,
    /// The process that opened the device.
    pid: u32,
}

impl Shares {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) where there is none,
    /// [`Kind::Denied`](crate::Kind::Denied) without the permission.
    #[doc(alias = "xengntshr_open")]
    pub fn open() -> Result<Self> {
        let device = Gntalloc::open()
            .map_err(|e| Error::new(format!("open {}", Gntalloc::DEVICE), Fault::Device(e)))?;
        Ok(Self::with_device(Arc::new(device)))
    }

    /// A device made elsewhere, such as by a simulated machine.
    pub fn with_device(device: Arc<dyn ShareDevice>) -> Self {
        Self { device, pid: std::process::id() }
    }

    /// Allocates `pages` pages, zeroed, and grants them to `dom`; `access` is what that domain may
    /// do. This one may always write.
    ///
    /// The limit is the parameter `limit` of the module `xen-gntalloc` for all processes of the host
    /// together, 1024 pages by default.
    ///
    /// # Errors
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) over that limit,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for no pages. Whether there is such a domain nobody
    /// looks.
    #[doc(alias = "xengntshr_share_pages")]
    #[doc(alias = "xengntshr_share_page_notify")]
    pub fn share(&self, dom: DomId, pages: u32, access: Access) -> Result<Share> {
        let share = || {
            let device = self.device()?;
            let (index, refs) = device.alloc_gref(dom.raw(), access.is_write(), pages)?;
            let slot = Slot::new(self.clone(), index, pages);
            // Where this fails, the slot is given up when it is dropped.
            let memory = SharedMemory::new(device.mmap(index, refs.len())?);
            Ok(Share { memory, refs: refs.into_iter().map(GrantRef).collect(), slot })
        };
        share().map_err(|fault: Fault| Error::on(format!("share {pages} pages"), dom, fault))
    }

    fn device(&self) -> Result<&dyn ShareDevice, Fault> {
        if std::process::id() == self.pid { Ok(&*self.device) } else { Err(Fault::UsedAfterFork) }
    }
}

/// Pages granted to another domain, accessed through [`SharedMemory`]; dropped, the grant ends.
///
/// What the other domain has mapped by then it keeps until it unmaps it; the kernel frees the pages
/// afterwards.
#[derive(Debug)]
pub struct Share {
    // In this order: the pages are given up when nothing has them mapped.
    memory: SharedMemory,
    refs: Vec<GrantRef>,
    slot: Slot<Shares>,
}

impl Share {
    /// The references, one for each page, for the other domain.
    pub fn refs(&self) -> &[GrantRef] {
        &self.refs
    }

    /// Says what the kernel is to do when a page is given up, however that comes. There is one such
    /// order for each page, the last one; one that clears no byte is for the first page.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the byte to clear lies beyond the pages, or no
    /// process has bound the port.
    pub fn on_unmap(&self, order: OnUnmap) -> Result<()> {
        let set = || {
            let request = order.request(self.slot.index, self.memory.len())?;
            Ok(self.slot.device.device()?.set_unmap_notify(request)?)
        };
        set().map_err(|fault: Fault| Error::new("set what happens when a share ends", fault))
    }

    /// Ends the grants, telling whether that worked.
    ///
    /// # Errors
    /// When the kernel refuses; the share is given up in any case.
    #[doc(alias = "xengntshr_unshare")]
    pub fn close(self) -> Result<()> {
        let Self { memory, mut slot, .. } = self;
        memory
            .unmap()
            .and_then(|()| slot.release())
            .map_err(|fault| Error::new("end a share", fault))
    }
}

impl Deref for Share {
    type Target = SharedMemory;

    fn deref(&self) -> &SharedMemory {
        &self.memory
    }
}

impl Release for Shares {
    fn release(&self, index: u64, count: u32) -> Result<(), Fault> {
        Ok(self.device()?.dealloc_gref(index, count)?)
    }
}
