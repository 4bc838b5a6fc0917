//! The host and its hypervisor.

use std::ptr;

use xenctrl_sys::{PhysInfo, PhysInfoLayout, XENVER_EXTRAVERSION, XENVER_VERSION, v4_15};

use super::{LibXenCtrl, check};
use crate::backend::{CallError, HostCalls};

impl HostCalls for LibXenCtrl {
    fn version(&self) -> Result<u32, CallError> {
        let (function, handle) = self.callable("xc_version", self.functions().host.version)?;
        // SAFETY: this command must be given no buffer: null (xc_version, xc_private.c).
        check(unsafe { function(handle, XENVER_VERSION, ptr::null_mut()) })
    }

    fn extra_version(&self) -> Result<Vec<u8>, CallError> {
        let (function, handle) = self.callable("xc_version", self.functions().host.version)?;
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
}

impl LibXenCtrl {
    /// Reads a structure of the layout `T`, which the profile must name.
    fn read_physinfo<T: Default>(&self) -> Result<T, CallError> {
        let (function, handle) = self.callable("xc_physinfo", self.functions().host.physinfo)?;
        let mut info = T::default();
        // SAFETY: one structure must be writable: `info`, of the layout that the canary measured.
        // Any bytes are a valid `T`, a C structure of integers.
        check(unsafe { function(handle, (&raw mut info).cast()) })?;
        Ok(info)
    }
}
