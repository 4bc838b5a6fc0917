//! The memory of domains.

use std::ffi::c_ulong;
use std::ptr;

use rustix::io::Errno;
use xen_types::{DomId, KiB};
use xenctrl_sys::E820Entry;

use super::{LibXenCtrl, call, check};
use crate::backend::{CallError, MemoryCalls};

impl MemoryCalls for LibXenCtrl {
    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError> {
        call!(self, memory.domain_setmaxmem(dom, max.get())).map(drop)
    }

    fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> Result<(), CallError> {
        call!(self, memory.domain_set_memmap_limit(dom, limit.get())).map(drop)
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let function = self.functions().memory.domain_set_memory_map;
        let (function, handle) = self.callable("xc_domain_set_memory_map", function)?;
        let count = u32::try_from(map.len()).map_err(|_| Errno::TOOBIG)?;
        // SAFETY: `count` entries must be readable: as many as the slice has. They are not written,
        // though the prototype allows it: the buffer is bounced inwards only (xc_domain.c).
        check(unsafe { function(handle, dom.into(), map.as_ptr().cast_mut().cast(), count) })
            .map(drop)
    }

    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Result<(), CallError> {
        call!(self, memory.domain_claim_pages(dom, pages)).map(drop)
    }

    fn get_paging_mempool_size(&self, dom: DomId) -> Result<u64, CallError> {
        let mut bytes = 0;
        call!(self, memory.get_paging_mempool_size(dom, &mut bytes))?;
        Ok(bytes)
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError> {
        call!(self, memory.set_paging_mempool_size(dom, bytes)).map(drop)
    }

    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError> {
        if self.functions().memory.shadow_control_4_15.is_none() {
            let mut mib = mib;
            call!(self, memory.shadow_control(dom, operation, &mut mib, 0_u32))?;
            return Ok(mib);
        }
        let function = self.functions().memory.shadow_control_4_15;
        let (function, handle) = self.callable("xc_shadow_control", function)?;
        let (mut mib, null) = (c_ulong::from(mib), ptr::null_mut());
        let size = &raw mut mib;
        // SAFETY: the size, an unsigned long, must be readable and writable: `mib` is one. Bitmap and
        // statistics may be null (xc_domain.c).
        check(unsafe { function(handle, dom.into(), operation, null, 0, size, 0, null) })?;
        // The domctl's own field has 32 bits (xen_domctl_shadow_op.mb).
        u32::try_from(mib)
            .map_err(|_| CallError::Nonsense { call: "xc_shadow_control", answer: mib })
    }
}
