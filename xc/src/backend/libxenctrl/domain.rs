//! The life, identity and time of domains.

use xen_types::{DomId, Port};
use xenctrl_sys::{CreateDomain, CreateDomainLayout, DomainInfo, DomainInfoLayout, v4_15};

use super::{LibXenCtrl, call, check, last_errno};
use crate::backend::{CallError, DomainCalls};

impl DomainCalls for LibXenCtrl {
    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Result<u32, CallError> {
        let too_old = |what| self.unsupported(what);
        match self.library().profile().create_domain {
            CreateDomainLayout::V4_15 => self.create(domid, config.to_v4_15().map_err(too_old)?),
            CreateDomainLayout::V4_16 => self.create(domid, config.to_v4_16().map_err(too_old)?),
            CreateDomainLayout::V4_17 => self.create(domid, config.to_v4_17().map_err(too_old)?),
            CreateDomainLayout::V4_19 => self.create(domid, config.to_v4_19().map_err(too_old)?),
            CreateDomainLayout::V4_21 => self.create(domid, *config),
        }
    }

    fn domain_destroy(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain.domain_destroy(dom)).map(drop)
    }

    fn domain_pause(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain.domain_pause(dom)).map(drop)
    }

    fn domain_unpause(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain.domain_unpause(dom)).map(drop)
    }

    fn domain_shutdown(&self, dom: DomId, reason: i32) -> Result<(), CallError> {
        call!(self, domain.domain_shutdown(dom, reason)).map(drop)
    }

    fn domain_getinfolist(&self, first: u32, max: u32) -> Result<Vec<DomainInfo>, CallError> {
        match self.library().profile().domain_info {
            DomainInfoLayout::V4_15 => {
                let list = self.info_list::<v4_15::DomainInfo>(first, max)?;
                Ok(list.into_iter().map(Into::into).collect())
            }
            DomainInfoLayout::V4_16 => self.info_list(first, max),
        }
    }

    fn domain_sethandle(&self, dom: DomId, mut handle: [u8; 16]) -> Result<(), CallError> {
        call!(self, domain.domain_sethandle(dom, &mut handle)).map(drop)
    }

    fn domain_set_target(&self, dom: DomId, target: DomId) -> Result<(), CallError> {
        call!(self, domain.domain_set_target(dom, target)).map(drop)
    }

    fn domain_soft_reset(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain.domain_soft_reset(dom)).map(drop)
    }

    fn domain_subscribe_for_suspend(&self, dom: DomId, port: Port) -> Result<(), CallError> {
        call!(self, domain.domain_subscribe_for_suspend(dom, port.0)).map(drop)
    }

    fn domain_set_virq_handler(&self, dom: DomId, virq: i32) -> Result<(), CallError> {
        call!(self, domain.domain_set_virq_handler(dom, virq)).map(drop)
    }

    fn domain_get_guest_width(&self, dom: DomId) -> Result<u32, CallError> {
        let mut bytes = 0;
        match call!(self, domain.domain_get_guest_width(dom, &mut bytes))? {
            0 => Ok(bytes),
            _ => Err(last_errno().into()), // 1 is failure (xc_domain.c)
        }
    }

    fn domain_set_access_required(&self, dom: DomId, required: bool) -> Result<(), CallError> {
        call!(self, domain.domain_set_access_required(dom, u32::from(required))).map(drop)
    }

    fn domain_setdebugging(&self, dom: DomId, enable: bool) -> Result<(), CallError> {
        call!(self, domain.domain_setdebugging(dom, u32::from(enable))).map(drop)
    }

    fn domain_debug_control(&self, dom: DomId, operation: u32, vcpu: u32) -> Result<(), CallError> {
        call!(self, domain.domain_debug_control(dom, operation, vcpu)).map(drop)
    }

    fn domain_send_trigger(&self, dom: DomId, trigger: u32, vcpu: u32) -> Result<(), CallError> {
        call!(self, domain.domain_send_trigger(dom, trigger, vcpu)).map(drop)
    }

    fn domain_set_time_offset(&self, dom: DomId, offset: i32) -> Result<(), CallError> {
        call!(self, domain.domain_set_time_offset(dom, offset)).map(drop)
    }

    fn watchdog(&self, id: u32, timeout: u32) -> Result<u32, CallError> {
        call!(self, domain.watchdog(id, timeout))
    }

    fn domain_get_tsc_info(&self, dom: DomId) -> Result<(u32, u64, u32, u32), CallError> {
        let (mut mode, mut elapsed, mut khz, mut incarnation) = (0, 0, 0, 0);
        call!(
            self,
            domain.domain_get_tsc_info(dom, &mut mode, &mut elapsed, &mut khz, &mut incarnation)
        )?;
        Ok((mode, elapsed, khz, incarnation))
    }

    fn domain_set_tsc_info(
        &self,
        dom: DomId,
        mode: u32,
        elapsed: u64,
        khz: u32,
        incarnation: u32,
    ) -> Result<(), CallError> {
        call!(self, domain.domain_set_tsc_info(dom, mode, elapsed, khz, incarnation)).map(drop)
    }
}

impl LibXenCtrl {
    /// Reads at most `max` entries of the layout `T`, which the profile must name.
    fn info_list<T: Copy>(&self, first: u32, max: u32) -> Result<Vec<T>, CallError> {
        let function = self.functions().domain.domain_getinfolist;
        let (function, handle) = self.callable("xc_domain_getinfolist", function)?;
        let mut list: Vec<T> = Vec::with_capacity(max as usize);
        // SAFETY: the buffer must have room for `max` entries, all of which libxc overwrites
        // (xc_domain.c): it was allocated for as many, of the layout that the canary measured.
        let written = check(unsafe { function(handle, first, max, list.as_mut_ptr().cast()) })?;
        let written = written.min(max) as usize;
        // SAFETY: the first `written` entries must be initialised: libxc copies its whole buffer,
        // zeroed beyond what Xen filled in, and returns how many Xen filled in. Any bytes are a
        // valid `T`, a C structure of integers.
        unsafe { list.set_len(written) };
        Ok(list)
    }

    /// Creates a domain from a structure of the layout `T`, which the profile must name.
    fn create<T>(&self, domid: u32, config: T) -> Result<u32, CallError> {
        let function = self.functions().domain.domain_create;
        let (function, handle) = self.callable("xc_domain_create", function)?;
        let (mut id, mut roomy) = (domid, Roomy { config, _room: [0; ROOM] });
        // SAFETY: the id must be writable, and as much as the library's structure has readable and
        // writable: libxc copies it both ways (xc_domain.c). No call tells how large it is there, so
        // what is passed has room for thrice the largest known.
        check(unsafe { function(handle, &raw mut id, (&raw mut roomy).cast()) })?;
        Ok(id)
    }
}

/// A structure with zeroes behind it, for a library whose structure is larger than ours.
#[repr(C)]
struct Roomy<T> {
    config: T,
    _room: [u8; ROOM],
}

/// The largest known structure to create from has 68 bytes.
const ROOM: usize = 188;

const _: () = assert!(3 * size_of::<CreateDomain>() <= size_of::<Roomy<CreateDomain>>());
