//! The calls, made through the libxenctrl of the running release. The only file of this crate with
//! `unsafe`.
//!
//! What all calls owe to C, and how it is discharged here:
//! - the function pointer has the type of the symbol: the table of `xenctrl_sys` for the release;
//! - the handle is open, of this process and of the same library: [`Interface`] owns both and checks
//!   the process on every [`Interface::as_ptr`];
//! - errno belongs to the calling thread and is read right after the call, before anything else.

#![allow(unsafe_code, reason = "calls a C library")]

use std::ffi::{c_int, c_ulong};
use std::io;
use std::ptr;
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::{DomId, KiB, Port};
use xenctrl_sys::{
    CreateDomain, CreateDomainLayout, DomainInfo, DomainInfoLayout, E820Entry, Functions,
    Interface, Library, OpenError, PhysInfo, PhysInfoLayout, Release, ShadowControl,
    XENVER_EXTRAVERSION, XENVER_VERSION, v4_15, xc_interface,
};

use crate::backend::{Backend, CallError};

/// libxenctrl of one release with an open handle.
#[derive(Debug)]
pub struct LibXenCtrl {
    interface: Interface,
}

/// Calls `$function` of the table with the open handle; a missing one is `Unsupported`.
/// The return value is checked as [`check`] does.
macro_rules! call {
    ($self:ident, $field:ident ( $($arg:expr),* )) => {{
        let function = $self.functions().$field
            .ok_or_else(|| $self.unsupported(concat!("xc_", stringify!($field))))?;
        let handle = $self.handle()?;
        // SAFETY: type, handle and errno as at the head of this file; every pointer argument comes
        // from a live reference or buffer of the caller, of the size that its layout has.
        check(unsafe { function(handle, $($arg),*) })
    }};
}

impl LibXenCtrl {
    /// Opens a handle with `library`, believing that it has the layouts of its profile;
    /// [`Xc::open`](crate::Xc::open) checks that.
    ///
    /// # Errors
    /// As [`Interface::open`].
    pub fn open(library: Arc<Library>) -> Result<Self, OpenError> {
        Ok(Self { interface: Interface::open(library)? })
    }

    /// The library in use.
    pub fn library(&self) -> &Library {
        self.interface.library()
    }

    /// How many bytes the library writes for one `xc_domaininfo_t`.
    ///
    /// # Errors
    /// As the call itself.
    pub(crate) fn domain_info_bytes(&self) -> Result<usize, CallError> {
        written_bytes(|buffer| call!(self, domain_getinfolist(0, 1, buffer.cast())))
    }

    /// How many bytes the library writes for one `xc_physinfo_t`.
    ///
    /// # Errors
    /// As the call itself.
    pub(crate) fn phys_info_bytes(&self) -> Result<usize, CallError> {
        written_bytes(|buffer| call!(self, physinfo(buffer.cast())))
    }

    fn functions(&self) -> &Functions {
        self.library().functions()
    }

    fn handle(&self) -> Result<*mut xc_interface, CallError> {
        self.interface.as_ptr().map_err(|_| CallError::UsedAfterFork)
    }

    fn unsupported(&self, call: &'static str) -> CallError {
        CallError::Unsupported { call, xen: self.release() }
    }

    /// Reads at most `max` entries of the layout `T`, which the profile must name.
    fn info_list<T: Copy>(&self, first: u32, max: u32) -> Result<Vec<T>, CallError> {
        let mut list: Vec<T> = Vec::with_capacity(max as usize);
        let written = call!(self, domain_getinfolist(first, max, list.as_mut_ptr().cast()))?;
        let written = written.min(max) as usize;
        // SAFETY: the first `written` entries must be initialised: libxc copies its whole buffer,
        // zeroed beyond what Xen filled in, and returns how many Xen filled in. Any bytes are a
        // valid `T`, a C structure of integers.
        unsafe { list.set_len(written) };
        Ok(list)
    }

    fn read_physinfo<T: Default>(&self) -> Result<T, CallError> {
        let mut info = T::default();
        call!(self, physinfo((&raw mut info).cast()))?;
        Ok(info)
    }
}

impl Backend for LibXenCtrl {
    fn release(&self) -> Release {
        self.library().release()
    }

    fn version(&self) -> Result<u32, CallError> {
        call!(self, version(XENVER_VERSION, ptr::null_mut()))
    }

    fn extra_version(&self) -> Result<Vec<u8>, CallError> {
        let mut text = [0_u8; 16]; // xen_extraversion_t, xen/include/public/version.h
        call!(self, version(XENVER_EXTRAVERSION, text.as_mut_ptr().cast()))?;
        Ok(text.into_iter().take_while(|&byte| byte != 0).collect())
    }

    fn physinfo(&self) -> Result<PhysInfo, CallError> {
        match self.library().profile().phys_info {
            PhysInfoLayout::V4_15 => self.read_physinfo::<v4_15::PhysInfo>().map(Into::into),
            PhysInfoLayout::V4_17 => self.read_physinfo(),
        }
    }

    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Result<u32, CallError> {
        let mut id = domid;
        let too_old = || self.unsupported("a CPU pool or altp2m mode in xc_domain_create");
        match self.library().profile().create_domain {
            CreateDomainLayout::V4_15 => {
                let mut config = config.to_v4_15().ok_or_else(too_old)?;
                call!(self, domain_create(&raw mut id, (&raw mut config).cast()))?;
            }
            CreateDomainLayout::V4_16 => {
                let mut config = config.to_v4_16().ok_or_else(too_old)?;
                call!(self, domain_create(&raw mut id, (&raw mut config).cast()))?;
            }
            CreateDomainLayout::V4_17 => {
                let mut config = config.to_v4_17().ok_or_else(too_old)?;
                call!(self, domain_create(&raw mut id, (&raw mut config).cast()))?;
            }
            CreateDomainLayout::V4_19 => {
                let mut config = *config;
                call!(self, domain_create(&raw mut id, (&raw mut config).cast()))?;
            }
        }
        Ok(id)
    }

    fn domain_destroy(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain_destroy(dom.into())).map(drop)
    }

    fn domain_pause(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain_pause(dom.into())).map(drop)
    }

    fn domain_unpause(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, domain_unpause(dom.into())).map(drop)
    }

    fn domain_shutdown(&self, dom: DomId, reason: i32) -> Result<(), CallError> {
        call!(self, domain_shutdown(dom.into(), reason)).map(drop)
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
        call!(self, domain_sethandle(dom.into(), handle.as_mut_ptr())).map(drop)
    }

    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError> {
        call!(self, domain_setmaxmem(dom.into(), max.get())).map(drop)
    }

    fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> Result<(), CallError> {
        call!(self, domain_set_memmap_limit(dom.into(), limit.get())).map(drop)
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let count = u32::try_from(map.len()).map_err(|_| Errno::TOOBIG)?;
        // libxc only reads the map, though its prototype says otherwise.
        call!(self, domain_set_memory_map(dom.into(), map.as_ptr().cast_mut(), count)).map(drop)
    }

    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Result<(), CallError> {
        call!(self, domain_claim_pages(dom.into(), pages)).map(drop)
    }

    fn get_paging_mempool_size(&self, dom: DomId) -> Result<u64, CallError> {
        let mut bytes = 0;
        call!(self, get_paging_mempool_size(dom.into(), &raw mut bytes))?;
        Ok(bytes)
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError> {
        call!(self, set_paging_mempool_size(dom.into(), bytes)).map(drop)
    }

    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError> {
        match self.library().profile().shadow_control {
            ShadowControl::V4_15 => {
                let mut mib = c_ulong::from(mib);
                let null = ptr::null_mut();
                let size = &raw mut mib;
                call!(self, shadow_control_4_15(dom.into(), operation, null, 0, size, 0, null))?;
                // The domctl's own field has 32 bits (xen_domctl_shadow_op.mb).
                u32::try_from(mib)
                    .map_err(|_| CallError::Nonsense { call: "xc_shadow_control", answer: mib })
            }
            ShadowControl::V4_16 => {
                let mut mib = mib;
                call!(self, shadow_control(dom.into(), operation, &raw mut mib, 0))?;
                Ok(mib)
            }
        }
    }

    fn domain_max_vcpus(&self, dom: DomId, max: u32) -> Result<(), CallError> {
        call!(self, domain_max_vcpus(dom.into(), max)).map(drop)
    }

    fn domain_set_tsc_info(
        &self,
        dom: DomId,
        mode: u32,
        elapsed: u64,
        khz: u32,
        incarnation: u32,
    ) -> Result<(), CallError> {
        call!(self, domain_set_tsc_info(dom.into(), mode, elapsed, khz, incarnation)).map(drop)
    }

    fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Result<Port, CallError> {
        call!(self, evtchn_alloc_unbound(dom.into(), remote.into())).map(Port)
    }

    fn hvm_param_get(&self, dom: DomId, param: u32) -> Result<u64, CallError> {
        let mut value = 0;
        call!(self, hvm_param_get(dom.into(), param, &raw mut value))?;
        Ok(value)
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        call!(self, hvm_param_set(dom.into(), param, value)).map(drop)
    }
}

/// A negative return value means failure with the reason in errno (xenctrl.h); others are results.
fn check(returned: c_int) -> Result<u32, CallError> {
    u32::try_from(returned).map_err(|_| {
        let error = io::Error::last_os_error();
        CallError::Errno(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    })
}

/// How much `write` overwrites: what it leaves alone keeps two different fillings different.
fn written_bytes(write: impl Fn(*mut u8) -> Result<u32, CallError>) -> Result<usize, CallError> {
    let (mut zeros, mut ones) = ([0x00_u8; PROBE_BYTES], [0xff_u8; PROBE_BYTES]);
    write(zeros.as_mut_ptr())?;
    write(ones.as_mut_ptr())?;
    let same = |&at: &usize| zeros[at] == ones[at];
    Ok((0..PROBE_BYTES).rev().find(same).map_or(0, |last| last + 1))
}

/// More than any release's structure has: the largest known is 112.
const PROBE_BYTES: usize = 512;

const _: () = assert!(size_of::<DomainInfo>() < PROBE_BYTES);
const _: () = assert!(size_of::<PhysInfo>() < PROBE_BYTES);
