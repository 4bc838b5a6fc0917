//! Pages in and out of a domain, by lists of frames.

use std::ffi::{c_int, c_uint, c_ulong};

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::xc_interface;

use super::super::{LibXenCtrl, check};
use crate::backend::CallError;

/// The type of the calls that give extents: domain, number, order, flags, frames.
type Give =
    unsafe extern "C" fn(*mut xc_interface, u32, c_ulong, c_uint, c_uint, *mut [u64; 0]) -> c_int;

impl LibXenCtrl {
    pub(super) fn populate_physmap(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        let function = self.functions().memory.domain_populate_physmap;
        self.give("xc_domain_populate_physmap", function, dom, (order, flags), extents)
    }

    pub(super) fn increase_reservation(
        &self,
        dom: DomId,
        order: u32,
        flags: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        let function = self.functions().memory.domain_increase_reservation;
        self.give("xc_domain_increase_reservation", function, dom, (order, flags), extents)
    }

    /// The two calls that give extents, of an order and with flags; how many were given.
    fn give(
        &self,
        name: &'static str,
        function: Option<Give>,
        dom: DomId,
        (order, flags): (u32, u32),
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        let (function, handle) = self.callable(name, function)?;
        let (count, list) = (extents.len(), extents.as_mut_ptr().cast());
        // SAFETY: `count` frames must be readable and writable, all of which libxc copies in and out
        // again (xc_domain.c): the slice has as many.
        let done =
            check(unsafe { function(handle, dom.into(), count as c_ulong, order, flags, list) })?;
        at_most(count, name, done)
    }

    pub(super) fn decrease_reservation(
        &self,
        dom: DomId,
        order: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        let function = self.functions().memory.domain_decrease_reservation;
        let (function, handle) = self.callable("xc_domain_decrease_reservation", function)?;
        let (count, list) = (extents.len(), extents.as_mut_ptr().cast());
        // SAFETY: `count` frames must be readable and writable, all of which libxc copies in and out
        // again (xc_domain.c): the slice has as many.
        let done = check(unsafe { function(handle, dom.into(), count as c_ulong, order, list) })?;
        at_most(count, "xc_domain_decrease_reservation", done)
    }

    pub(super) fn add_to_physmap_batch(
        &self,
        dom: DomId,
        foreign: DomId,
        space: u32,
        indexes: &[u64],
        gfns: &[u64],
    ) -> Result<Vec<i32>, CallError> {
        let function = self.functions().memory.domain_add_to_physmap_batch;
        let (function, handle) = self.callable("xc_domain_add_to_physmap_batch", function)?;
        // The hypercall's own field has 16 bits, into which libxc puts the number unchecked.
        let count = u16::try_from(gfns.len()).map_err(|_| Errno::TOOBIG)?;
        if indexes.len() != gfns.len() {
            return Err(Errno::INVAL.into());
        }
        let mut errors = vec![0_i32; gfns.len()];
        let (from, to) = (indexes.as_ptr().cast_mut().cast(), gfns.as_ptr().cast_mut().cast());
        let list = errors.as_mut_ptr().cast::<[c_int; 0]>();
        // SAFETY: `count` indexes and frames must be readable, which are bounced inwards only, and as
        // many errors writable (xc_domain.c): both slices were just compared, and the vector made.
        check(unsafe {
            function(handle, dom.into(), foreign.into(), space, count.into(), from, to, list)
        })?;
        Ok(errors)
    }
}

/// A number of extents, of which there are no more than were passed.
fn at_most(count: usize, call: &'static str, done: u32) -> Result<usize, CallError> {
    let plausible = usize::try_from(done).ok().filter(|&done| done <= count);
    plausible.ok_or(CallError::Nonsense { call, answer: done.into() })
}
