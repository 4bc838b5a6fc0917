//! What only HVM and PVH domains have.

use std::ptr;

use rustix::io::Errno;
use xen_types::DomId;

use super::{LibXenCtrl, call, check};
use crate::backend::{CallError, HvmCalls};

impl HvmCalls for LibXenCtrl {
    fn hvm_param_get(&self, dom: DomId, param: u32) -> Result<u64, CallError> {
        let mut value = 0;
        call!(self, hvm.hvm_param_get(dom, param, &mut value))?;
        Ok(value)
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        call!(self, hvm.hvm_param_set(dom, param, value)).map(drop)
    }

    fn domain_hvm_getcontext(
        &self,
        dom: DomId,
        buffer: Option<&mut [u8]>,
    ) -> Result<u32, CallError> {
        let function = self.functions().hvm.domain_hvm_getcontext;
        let (function, handle) = self.callable("xc_domain_hvm_getcontext", function)?;
        let (start, size) = match buffer {
            Some(buffer) => (buffer.as_mut_ptr().cast(), bytes(buffer)?),
            None => (ptr::null_mut(), 0),
        };
        // SAFETY: `start` must be writable for `size` bytes, or null: it is the slice, and as long.
        check(unsafe { function(handle, dom.into(), start, size) })
    }

    fn domain_hvm_getcontext_partial(
        &self,
        dom: DomId,
        typecode: u16,
        instance: u16,
        buffer: &mut [u8],
    ) -> Result<(), CallError> {
        let function = self.functions().hvm.domain_hvm_getcontext_partial;
        let (function, handle) = self.callable("xc_domain_hvm_getcontext_partial", function)?;
        let (size, start) = (bytes(buffer)?, buffer.as_mut_ptr().cast());
        // SAFETY: `start` must be writable for `size` bytes: it is the slice, and as long.
        check(unsafe { function(handle, dom.into(), typecode, instance, start, size) }).map(drop)
    }

    fn domain_hvm_setcontext(&self, dom: DomId, context: &[u8]) -> Result<(), CallError> {
        let function = self.functions().hvm.domain_hvm_setcontext;
        let (function, handle) = self.callable("xc_domain_hvm_setcontext", function)?;
        let (size, start) = (bytes(context)?, context.as_ptr().cast_mut().cast());
        // SAFETY: `start` must be readable for `size` bytes: it is the slice, and as long. It is not
        // written, though the prototype allows it: the buffer is bounced inwards only (xc_domain.c).
        check(unsafe { function(handle, dom.into(), start, size) }).map(drop)
    }

    fn domain_pin_memory_cacheattr(
        &self,
        dom: DomId,
        first: u64,
        last: u64,
        attribute: u32,
    ) -> Result<(), CallError> {
        call!(self, hvm.domain_pin_memory_cacheattr(dom, first, last, attribute)).map(drop)
    }
}

fn bytes(buffer: &[u8]) -> Result<u32, CallError> {
    u32::try_from(buffer.len()).map_err(|_| Errno::TOOBIG.into())
}
