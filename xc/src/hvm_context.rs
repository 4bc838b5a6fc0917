//! The state of the virtual hardware of HVM and PVH domains, and how their memory is cached.

use rustix::io::Errno;
use xen_types::{DomId, Gfn};
use xenctrl_sys as sys;

use crate::backend::CallError;
use crate::{Error, Result, Xc};

/// How memory is cached, whatever the guest says (`XEN_DOMCTL_MEM_CACHEATTR_*`,
/// `xen/include/public/domctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum CacheAttribute {
    /// Not at all.
    Uncached = sys::XEN_DOMCTL_MEM_CACHEATTR_UC,
    /// Not at all, but writes are combined.
    WriteCombining = sys::XEN_DOMCTL_MEM_CACHEATTR_WC,
    /// Writes go through to memory.
    WriteThrough = sys::XEN_DOMCTL_MEM_CACHEATTR_WT,
    /// Reads are, writes are not.
    WriteProtected = sys::XEN_DOMCTL_MEM_CACHEATTR_WP,
    /// Reads and writes are.
    WriteBack = sys::XEN_DOMCTL_MEM_CACHEATTR_WB,
    /// Not at all, unless the guest has writes combined.
    UncachedMinus = sys::XEN_DOMCTL_MEM_CACHEATTR_UCM,
}

impl Xc {
    /// The state of the virtual hardware of HVM or PVH `dom`, which is paused meanwhile: records, each
    /// behind its type, instance and length (`xen/include/public/hvm/save.h`), the last of length 0.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV and the caller's own domain,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if it grew meanwhile.
    #[doc(alias = "xc_domain_hvm_getcontext")]
    pub fn hvm_context(&self, dom: DomId) -> Result<Vec<u8>> {
        self.read_hvm_context(dom).map_err(|e| Error::on("read its HVM context", dom, e))
    }

    /// One record of the state of the virtual hardware of HVM or PVH `dom`: `HVM_SAVE_CODE(...)`, and
    /// which of several. `bytes` is how long a record of the type is; libxc does not tell. Bytes beyond
    /// it are zero.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` or the record does not exist,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV, the caller's own domain or no such type,
    /// [`Kind::Other`](crate::Kind::Other) with the errno `ENOBUFS` if the record is longer.
    #[doc(alias = "xc_domain_hvm_getcontext_partial")]
    pub fn hvm_record(&self, dom: DomId, code: u16, instance: u16, bytes: u16) -> Result<Vec<u8>> {
        let mut record = vec![0; bytes.into()];
        self.backend.domain_hvm_getcontext_partial(dom, code, instance, &mut record).map_err(
            |e| Error::on(format!("read HVM record {code}, instance {instance}"), dom, e),
        )?;
        Ok(record)
    }

    /// Sets the state of the virtual hardware of HVM or PVH `dom`, to what [`Xc::hvm_context`] gave or
    /// a part of it with head and end. Its virtual CPUs among the records are then started.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV, the caller's own domain or records that do not
    /// fit, of which some may have been loaded before 4.19; [`Kind::Other`](crate::Kind::Other) with the
    /// errno `ENODATA` from 4.19 on for records that end early.
    #[doc(alias = "xc_domain_hvm_setcontext")]
    pub fn set_hvm_context(&self, dom: DomId, context: &[u8]) -> Result<()> {
        self.backend.domain_hvm_setcontext(dom, context).map_err(|e| {
            Error::on(format!("set its HVM context of {} bytes", context.len()), dom, e)
        })
    }

    /// Fixes how guest frames from `first` to `last`, which is one of them, of HVM or PVH `dom` are
    /// cached; `None` takes back what was fixed for exactly these.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or nothing was fixed for the frames,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV and for frames that cannot be,
    /// [`Kind::Busy`](crate::Kind::Busy) if something else is fixed for some of them.
    #[doc(alias = "xc_domain_pin_memory_cacheattr")]
    pub fn pin_cache_attribute(
        &self,
        dom: DomId,
        first: Gfn,
        last: Gfn,
        attribute: Option<CacheAttribute>,
    ) -> Result<()> {
        let number = attribute.map_or(DELETE, |attribute| attribute as u32);
        self.backend
            .domain_pin_memory_cacheattr(dom, first.0, last.0, number)
            .map_err(|e| Error::on(format!("cache {first:?} to {last:?} as {attribute:?}"), dom, e))
    }

    fn read_hvm_context(&self, dom: DomId) -> Result<Vec<u8>, CallError> {
        let size = self.backend.domain_hvm_getcontext(dom, None)?;
        let mut context = vec![0; usize::try_from(size).map_err(|_| Errno::TOOBIG)?];
        let written = self.backend.domain_hvm_getcontext(dom, Some(&mut context))?;
        if written > size {
            let call = "xc_domain_hvm_getcontext";
            return Err(CallError::Nonsense { call, answer: written.into() });
        }
        context.truncate(written as usize);
        Ok(context)
    }
}

/// `XEN_DMOP_MEM_CACHEATTR_DELETE`, `xen/include/public/hvm/dm_op.h`.
const DELETE: u32 = u32::MAX;
