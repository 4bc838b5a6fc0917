//! What `xc_version` and the `xc_xenver` calls answer.
//!
//! `xc_version` writes as much as the command stands for (`xc_version.c`, before 4.20
//! `xc_private.c`; the types are in `xen/include/public/version.h`): nothing here passes less room.

use std::ffi::c_char;
use std::ptr;

use xenctrl_sys::{
    CompileInfo, FeatureInfo, PlatformParameters, XENVER_BUILD_ID, XENVER_CAPABILITIES,
    XENVER_CHANGESET, XENVER_COMMANDLINE, XENVER_COMPILE_INFO, XENVER_EXTRAVERSION,
    XENVER_GET_FEATURES, XENVER_GUEST_HANDLE, XENVER_PAGESIZE, XENVER_PLATFORM_PARAMETERS,
    XENVER_VERSION, xc_interface,
};

use super::allocated::Allocated;
use super::{LibXenCtrl, check, last_errno};
use crate::backend::CallError;

impl LibXenCtrl {
    pub(super) fn ask_version(&self) -> Result<u32, CallError> {
        // SAFETY: nothing must be written: this command answers with its return value.
        unsafe { self.ask(XENVER_VERSION, ptr::null_mut::<u8>()) }
    }

    pub(super) fn ask_pagesize(&self) -> Result<u32, CallError> {
        // SAFETY: nothing must be written: this command answers with its return value.
        unsafe { self.ask(XENVER_PAGESIZE, ptr::null_mut::<u8>()) }
    }

    pub(super) fn ask_extra_version(&self) -> Result<Vec<u8>, CallError> {
        // SAFETY: the command must write 16 bytes: a xen_extraversion_t has as many.
        unsafe { self.ask_text::<16>(XENVER_EXTRAVERSION) }
    }

    pub(super) fn ask_capabilities(&self) -> Result<Vec<u8>, CallError> {
        // SAFETY: the command must write 1024 bytes: a xen_capabilities_info_t has as many.
        unsafe { self.ask_text::<1024>(XENVER_CAPABILITIES) }
    }

    pub(super) fn ask_changeset(&self) -> Result<Vec<u8>, CallError> {
        // SAFETY: the command must write 64 bytes: a xen_changeset_info_t has as many.
        unsafe { self.ask_text::<64>(XENVER_CHANGESET) }
    }

    pub(super) fn ask_commandline(&self) -> Result<Vec<u8>, CallError> {
        // SAFETY: the command must write 1024 bytes: a xen_commandline_t has as many.
        unsafe { self.ask_text::<1024>(XENVER_COMMANDLINE) }
    }

    pub(super) fn ask_compile_info(&self) -> Result<CompileInfo, CallError> {
        let mut info = CompileInfo::default();
        // SAFETY: the command must write a xen_compile_info_t: `info` is one.
        unsafe { self.ask(XENVER_COMPILE_INFO, &raw mut info) }?;
        Ok(info)
    }

    pub(super) fn ask_platform_parameters(&self) -> Result<u64, CallError> {
        let mut parameters = PlatformParameters::default();
        // SAFETY: the command must write a xen_platform_parameters_t: `parameters` is one.
        unsafe { self.ask(XENVER_PLATFORM_PARAMETERS, &raw mut parameters) }?;
        Ok(parameters.virt_start)
    }

    pub(super) fn ask_features(&self) -> Result<u32, CallError> {
        // The index of the 32 bits asked for does not reach Xen, which sees a zero: libxc copies
        // the structure outwards only. There is no other index than 0 (XENFEAT_NR_SUBMAPS).
        let mut features = FeatureInfo::default();
        // SAFETY: the command must write a xen_feature_info_t: `features` is one.
        unsafe { self.ask(XENVER_GET_FEATURES, &raw mut features) }?;
        Ok(features.submap)
    }

    pub(super) fn ask_guest_handle(&self) -> Result<[u8; 16], CallError> {
        let mut handle = [0; 16];
        // SAFETY: the command must write a xen_domain_handle_t: 16 bytes, as `handle` has.
        unsafe { self.ask(XENVER_GUEST_HANDLE, &raw mut handle) }?;
        Ok(handle)
    }

    pub(super) fn ask_build_id(&self, room: u32) -> Result<Vec<u8>, CallError> {
        // A xen_build_id_t: the size of what follows it, and that.
        let mut buffer = vec![0_u32; 1 + room.div_ceil(4) as usize];
        buffer[0] = room;
        // SAFETY: the command must read the number at the start, and write no more behind it than
        // that says: `buffer` has as many bytes there.
        let written = unsafe { self.ask(XENVER_BUILD_ID, buffer.as_mut_ptr()) }?;
        let bytes = buffer[1..].iter().flat_map(|word| word.to_ne_bytes());
        Ok(bytes.take(written as usize).collect())
    }

    /// # Safety
    /// The command must write a text of `N` bytes.
    unsafe fn ask_text<const N: usize>(&self, command: i32) -> Result<Vec<u8>, CallError> {
        let mut text = [0_u8; N];
        // SAFETY: the command must write no more than `text` has: the caller's promise.
        unsafe { self.ask(command, &raw mut text) }?;
        Ok(text.into_iter().take_while(|&byte| byte != 0).collect())
    }

    /// # Safety
    /// The command must read and write no more than what the pointer is to, from there on.
    unsafe fn ask<T>(&self, command: i32, answer: *mut T) -> Result<u32, CallError> {
        let (function, handle) = self.callable("xc_version", self.functions().host.version)?;
        // SAFETY: the pointer must be to as much as the command reads and writes: the caller's
        // promise.
        check(unsafe { function(handle, command, answer.cast()) })
    }

    /// What one of the functions returns that allocate a string.
    pub(super) fn ask_string(
        &self,
        name: &'static str,
        function: Option<unsafe extern "C" fn(*mut xc_interface) -> *mut c_char>,
    ) -> Result<Vec<u8>, CallError> {
        let (function, handle) = self.callable(name, function)?;
        // SAFETY: as at the head of mod.rs, and the function must be one that takes the handle
        // alone: the tables have no other of this type.
        let text = unsafe { function(handle) };
        // SAFETY: must come from malloc and be nobody else's: the caller's (xc_version.c).
        let text = unsafe { Allocated::new(text) }.ok_or_else(last_errno)?;
        // SAFETY: must be a C string: libxc puts a NUL behind what it copies.
        Ok(unsafe { text.text() })
    }
}
