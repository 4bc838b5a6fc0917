//! The calls, made through the libxenctrl of the running release.
//!
//! What all calls owe to C, and how it is discharged here:
//! - the function pointer has the type of the symbol: the table of `xenctrl_sys` for the release;
//! - the handle is open, of this process and of the same library: [`Interface`] owns both and checks
//!   the process on every [`Interface::as_ptr`], through which [`LibXenCtrl::callable`] goes;
//! - errno belongs to the calling thread and is read right after the call, by [`check`].
//!
//! What a call owes beyond that stands beside it. Structures have the layout that the library uses:
//! nobody has a [`LibXenCtrl`] whose library was not measured by [`check_layouts`].

#![allow(unsafe_code, reason = "calls a C library")]

use std::ffi::{c_int, c_ulong};
use std::io;
use std::ptr;
use std::sync::Arc;

use rustix::io::Errno;
use xen_types::{DomId, KiB, Port};
use xenctrl_sys::{
    CreateDomain, CreateDomainLayout, DomainInfo, DomainInfoLayout, E820Entry, Functions,
    Interface, Library, PhysInfo, PhysInfoLayout, Release, ShadowControl, XENVER_EXTRAVERSION,
    XENVER_VERSION, v4_15, xc_interface,
};

use crate::Error;
use crate::backend::{Backend, CallError};
use crate::canary::check_layouts;

/// libxenctrl of one release with an open handle.
#[derive(Debug)]
pub struct LibXenCtrl {
    interface: Interface,
}

/// Makes a call that takes nothing but numbers and the handle.
macro_rules! call {
    ($self:ident, $field:ident ( $($number:expr),* )) => {{
        let name = concat!("xc_", stringify!($field));
        let (function, handle) = $self.callable(name, $self.functions().$field)?;
        // SAFETY: as at the head of this file, and no pointer to answer for: `number` takes none.
        check(unsafe { function(handle, $(number($number)),*) })
    }};
}

impl LibXenCtrl {
    /// Opens a handle with `library` and checks that it has the layouts of its profile, as far as
    /// they show: by the size of what it writes.
    ///
    /// # Errors
    /// As [`Xc::open`](crate::Xc::open).
    pub fn open(library: Arc<Library>) -> crate::Result<Self> {
        let fail = |cause| Error::new("open the hypervisor", cause);
        let interface = Interface::open(library).map_err(|e| fail(e.into()))?;
        let opened = Self { interface };
        check_layouts(&opened).map_err(fail)?;
        Ok(opened)
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
        let function = self.functions().domain_getinfolist;
        let (function, handle) = self.callable("xc_domain_getinfolist", function)?;
        written_bytes(|probe| {
            // SAFETY: the buffer must have room for the one entry asked for: it has four times what
            // the largest known layout takes.
            check(unsafe { function(handle, 0, 1, probe.as_mut_ptr().cast()) })
        })
    }

    /// How many bytes the library writes for one `xc_physinfo_t`.
    ///
    /// # Errors
    /// As the call itself.
    pub(crate) fn phys_info_bytes(&self) -> Result<usize, CallError> {
        let (function, handle) = self.callable("xc_physinfo", self.functions().physinfo)?;
        written_bytes(|probe| {
            // SAFETY: the buffer must have room for the structure: four times the largest known.
            check(unsafe { function(handle, probe.as_mut_ptr().cast()) })
        })
    }

    fn functions(&self) -> &Functions {
        self.library().functions()
    }

    /// What a call needs: its pointer, if this release has it, and the handle, in its own process.
    fn callable<F>(
        &self,
        name: &'static str,
        function: Option<F>,
    ) -> Result<(F, *mut xc_interface), CallError> {
        let function = function.ok_or_else(|| self.unsupported(name))?;
        let handle = self.interface.as_ptr().map_err(|_| CallError::UsedAfterFork)?;
        Ok((function, handle))
    }

    fn unsupported(&self, call: &'static str) -> CallError {
        CallError::Unsupported { call, xen: self.release() }
    }

    /// Reads at most `max` entries of the layout `T`, which the profile must name.
    fn info_list<T: Copy>(&self, first: u32, max: u32) -> Result<Vec<T>, CallError> {
        let function = self.functions().domain_getinfolist;
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

    /// Reads a structure of the layout `T`, which the profile must name.
    fn read_physinfo<T: Default>(&self) -> Result<T, CallError> {
        let (function, handle) = self.callable("xc_physinfo", self.functions().physinfo)?;
        let mut info = T::default();
        // SAFETY: one structure must be writable: `info`, of the layout that the canary measured.
        // Any bytes are a valid `T`, a C structure of integers.
        check(unsafe { function(handle, (&raw mut info).cast()) })?;
        Ok(info)
    }

    /// Creates a domain from a structure of the layout `T`, which the profile must name.
    fn create<T>(&self, domid: u32, config: T) -> Result<u32, CallError> {
        let function = self.functions().domain_create;
        let (function, handle) = self.callable("xc_domain_create", function)?;
        let (mut id, mut roomy) = (domid, Roomy { config, _room: [0; ROOM] });
        // SAFETY: the id must be writable, and as much as the library's structure has readable and
        // writable: libxc copies it both ways (xc_domain.c). No call tells how large it is there, so
        // what is passed has room for thrice the largest known.
        check(unsafe { function(handle, &raw mut id, (&raw mut roomy).cast()) })?;
        Ok(id)
    }
}

impl Backend for LibXenCtrl {
    fn release(&self) -> Release {
        self.library().release()
    }

    fn version(&self) -> Result<u32, CallError> {
        let (function, handle) = self.callable("xc_version", self.functions().version)?;
        // SAFETY: this command must be given no buffer: null (xc_version, xc_private.c).
        check(unsafe { function(handle, XENVER_VERSION, ptr::null_mut()) })
    }

    fn extra_version(&self) -> Result<Vec<u8>, CallError> {
        let (function, handle) = self.callable("xc_version", self.functions().version)?;
        let mut text = [0_u8; 16]; // xen_extraversion_t, xen/include/public/version.h
        // SAFETY: this command writes a xen_extraversion_t: `text` has its 16 bytes.
        check(unsafe { function(handle, XENVER_EXTRAVERSION, text.as_mut_ptr().cast()) })?;
        Ok(text.into_iter().take_while(|&byte| byte != 0).collect())
    }

    fn physinfo(&self) -> Result<PhysInfo, CallError> {
        match self.library().profile().phys_info {
            PhysInfoLayout::V4_15 => self.read_physinfo::<v4_15::PhysInfo>().map(Into::into),
            PhysInfoLayout::V4_17 => self.read_physinfo(),
        }
    }

    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Result<u32, CallError> {
        let too_old = || self.unsupported("a CPU pool or altp2m mode in xc_domain_create");
        match self.library().profile().create_domain {
            CreateDomainLayout::V4_15 => self.create(domid, config.to_v4_15().ok_or_else(too_old)?),
            CreateDomainLayout::V4_16 => self.create(domid, config.to_v4_16().ok_or_else(too_old)?),
            CreateDomainLayout::V4_17 => self.create(domid, config.to_v4_17().ok_or_else(too_old)?),
            CreateDomainLayout::V4_19 => self.create(domid, *config),
        }
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
        let function = self.functions().domain_sethandle;
        let (function, owner) = self.callable("xc_domain_sethandle", function)?;
        // SAFETY: the 16 bytes of a xen_domain_handle_t must be readable: the array has them.
        check(unsafe { function(owner, dom.into(), handle.as_mut_ptr()) }).map(drop)
    }

    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError> {
        call!(self, domain_setmaxmem(dom.into(), max.get())).map(drop)
    }

    fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> Result<(), CallError> {
        call!(self, domain_set_memmap_limit(dom.into(), limit.get())).map(drop)
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let function = self.functions().domain_set_memory_map;
        let (function, handle) = self.callable("xc_domain_set_memory_map", function)?;
        let count = u32::try_from(map.len()).map_err(|_| Errno::TOOBIG)?;
        // SAFETY: `count` entries must be readable: as many as the slice has. They are not written,
        // though the prototype allows it: the buffer is bounced inwards only (xc_domain.c).
        check(unsafe { function(handle, dom.into(), map.as_ptr().cast_mut(), count) }).map(drop)
    }

    fn domain_claim_pages(&self, dom: DomId, pages: u64) -> Result<(), CallError> {
        call!(self, domain_claim_pages(dom.into(), pages)).map(drop)
    }

    fn get_paging_mempool_size(&self, dom: DomId) -> Result<u64, CallError> {
        let function = self.functions().get_paging_mempool_size;
        let (function, handle) = self.callable("xc_get_paging_mempool_size", function)?;
        let mut bytes = 0;
        // SAFETY: a uint64_t must be writable: `bytes` is one.
        check(unsafe { function(handle, dom.into(), &raw mut bytes) })?;
        Ok(bytes)
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError> {
        call!(self, set_paging_mempool_size(dom.into(), bytes)).map(drop)
    }

    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError> {
        match self.library().profile().shadow_control {
            ShadowControl::V4_15 => {
                let function = self.functions().shadow_control_4_15;
                let (function, handle) = self.callable("xc_shadow_control", function)?;
                let (mut mib, null) = (c_ulong::from(mib), ptr::null_mut());
                let size = &raw mut mib;
                // SAFETY: the library must declare eight arguments: the profile says so, and the
                // canary that it is of 4.15. The size, an unsigned long, must be readable and
                // writable: `mib` is one. Bitmap and statistics may be null (xc_domain.c).
                check(unsafe { function(handle, dom.into(), operation, null, 0, size, 0, null) })?;
                // The domctl's own field has 32 bits (xen_domctl_shadow_op.mb).
                u32::try_from(mib)
                    .map_err(|_| CallError::Nonsense { call: "xc_shadow_control", answer: mib })
            }
            ShadowControl::V4_16 => {
                let function = self.functions().shadow_control;
                let (function, handle) = self.callable("xc_shadow_control", function)?;
                let mut mib = mib;
                // SAFETY: the library must declare five arguments: the profile says so, and the
                // canary that it is not of 4.15. The size, an unsigned int, must be readable and
                // writable: `mib` is one.
                check(unsafe { function(handle, dom.into(), operation, &raw mut mib, 0) })?;
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
        let (function, handle) =
            self.callable("xc_hvm_param_get", self.functions().hvm_param_get)?;
        let mut value = 0;
        // SAFETY: a uint64_t must be writable: `value` is one.
        check(unsafe { function(handle, dom.into(), param, &raw mut value) })?;
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

/// Lets numbers through and nothing else: a pointer is not to be had as an `i128`.
fn number<T: Into<i128> + Copy>(number: T) -> T {
    number
}

/// A structure with zeroes behind it, for a library whose structure is larger than ours.
#[repr(C)]
struct Roomy<T> {
    config: T,
    _room: [u8; ROOM],
}

/// How much `write` overwrites: what it leaves alone keeps two different fillings different.
fn written_bytes(
    mut write: impl FnMut(&mut [u8; PROBE_BYTES]) -> Result<u32, CallError>,
) -> Result<usize, CallError> {
    let (mut zeros, mut ones) = ([0x00; PROBE_BYTES], [0xff; PROBE_BYTES]);
    write(&mut zeros)?;
    write(&mut ones)?;
    let same = |&at: &usize| zeros[at] == ones[at];
    Ok((0..PROBE_BYTES).rev().find(same).map_or(0, |last| last + 1))
}

/// More than any release's structure has: the largest known is 112.
const PROBE_BYTES: usize = 512;
/// The largest known structure to create from has 68 bytes.
const ROOM: usize = 188;

const _: () = assert!(4 * size_of::<DomainInfo>() <= PROBE_BYTES);
const _: () = assert!(4 * size_of::<PhysInfo>() <= PROBE_BYTES);
const _: () = assert!(3 * size_of::<CreateDomain>() <= size_of::<Roomy<CreateDomain>>());
