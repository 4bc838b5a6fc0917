//! The calls themselves, and the only `unsafe` of this crate.

#![allow(unsafe_code, reason = "calls a C library")]

mod dump;
mod image;
mod order;
mod policy;
mod resume;
mod save;

use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use rustix::io::Errno;
use xc::{E820Entry, Release};
use xen_types::DomId;
use xenguest_sys::{Interface, Library, xc_interface};

use super::outcome::{check, failed, listen};
use super::{Backend, CallError, Hypervisor, Image};
use image::LibImage;

/// The libxenguest of the running Xen.
///
/// A handle is opened for each image and for each call without one: libxc formats every error into a
/// buffer of the handle without a lock (`xc_reportv`, `tools/libs/ctrl/xc_private.c`, 4.15 to 4.22)
/// and logs it from there, so that two builds on one handle would tell each other's errors.
#[derive(Debug)]
pub struct LibXenGuest {
    library: Arc<Library>,
}

/// libxenguest could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It, or the libxenctrl below it, could not be loaded.
    #[error(transparent)]
    Load(#[from] xenguest_sys::LoadError),
    /// The hypervisor could not be opened.
    #[error(transparent)]
    Open(#[from] xenguest_sys::OpenError),
}

impl OpenError {
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Self::Open(xenguest_sys::OpenError::Os(e)) => Errno::from_io_error(e),
            _ => None,
        }
    }
}

impl LibXenGuest {
    /// Loads libxenguest of `release` from where the system has it.
    ///
    /// # Errors
    /// If it cannot be had, or no handle with it.
    pub fn open(release: Release) -> Result<Self, OpenError> {
        Self::with_library(Library::load(release)?)
    }

    /// Loads the libxenguest beside `ctrl`.
    ///
    /// # Errors
    /// If it cannot be had, or no handle with it.
    pub fn beside(ctrl: Arc<xenguest_sys::CtrlLibrary>) -> Result<Self, OpenError> {
        Self::with_library(Library::beside(ctrl)?)
    }

    fn with_library(library: Library) -> Result<Self, OpenError> {
        let library = Arc::new(library);
        Interface::open(Arc::clone(&library))?; // a missing privilege shows now, not in a build
        tracing::debug!(library = %library.path().display(), "opened the domain builder");
        Ok(Self { library })
    }

    /// A call, if this release has it.
    fn function<F>(&self, call: &'static str, function: Option<F>) -> Result<F, CallError> {
        self::function(&self.library, call, function)
    }

    /// A handle of the caller's own.
    fn interface(&self) -> Result<Interface, CallError> {
        match listen(|| Interface::open(Arc::clone(&self.library))) {
            (Ok(interface), _) => Ok(interface),
            (Err(xenguest_sys::OpenError::Missing(call)), _) => {
                Err(CallError::Unsupported { call, xen: self.release() })
            }
            (Err(_), reason) => Err(failed(0, reason)),
        }
    }
}

impl Hypervisor for LibXenGuest {
    fn release(&self) -> Release {
        self.library.ctrl().release()
    }
}

impl Backend for LibXenGuest {
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        let functions = self.library.functions();
        let allocate = self.function("xc_dom_allocate", functions.dom_allocate)?;
        let release = self.function("xc_dom_release", functions.dom_release)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let features = features.map_or(ptr::null(), CStr::as_ptr);
        let (image, reason) = listen(|| {
            // SAFETY: the handle must stay open as long as the image, which keeps it, and the
            // strings be terminated or null (xenguest.h): the image below owns the handle and is
            // released first; CStr is terminated, and both strings are copied.
            unsafe { allocate(handle, cmdline.as_ptr(), features) }
        });
        let image = NonNull::new(image).ok_or_else(|| failed(0, reason))?;
        Ok(Box::new(LibImage::new(self, image, release, interface)?))
    }

    fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let function = self.library.ctrl().functions().memory.domain_set_memory_map;
        let set = self.function("xc_domain_set_memory_map", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let mut raw = to_raw(map);
        // Xen itself takes 1024 (`E820MAX`, xen/arch/x86/include/asm/e820.h, 4.17 and 4.20).
        let too_many = |_| CallError::Failed { errno: Some(Errno::TOOBIG), said: Vec::new() };
        let entries = u32::try_from(raw.len()).map_err(too_many)?;
        check(|| {
            // SAFETY: the handle must be open and the array hold `entries` entries (xenctrl.h):
            // `interface` holds it open until the end of this function, the array has that many.
            unsafe { set(handle, dom.into(), raw.as_mut_ptr().cast(), entries) }
        })
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        let function = self.library.ctrl().functions().hvm.hvm_param_set;
        let set = self.function("xc_hvm_param_set", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        check(|| {
            // SAFETY: the handle must be open: `interface` holds it open until the end of this function.
            unsafe { set(handle, dom.into(), param, value) }
        })
    }

    fn cpuid_apply_policy(
        &self,
        dom: DomId,
        restore: bool,
        itsc: bool,
        nested_virt: bool,
    ) -> Result<(), CallError> {
        let function = self.library.functions().cpuid_apply_policy;
        let apply = self.function("xc_cpuid_apply_policy", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        let pae = true;
        let none = ptr::null();
        check(|| {
            // SAFETY: the handle must be open and the arrays of the announced length or null
            // (xenguest.h): `interface` holds it open until the end of this function, all arrays
            // are null and of length 0.
            // Releases before 4.15.5, 4.16.5 and 4.17.2 do not declare the last argument; see the
            // declaration for why they may be given it.
            unsafe {
                apply(
                    handle,
                    dom.into(),
                    restore,
                    ptr::null(),
                    0,
                    pae,
                    itsc,
                    nested_virt,
                    none,
                    none,
                )
            }
        })
    }
}

/// A call, if the library has it.
fn function<F>(library: &Library, call: &'static str, function: Option<F>) -> Result<F, CallError> {
    let unsupported = CallError::Unsupported { call, xen: library.ctrl().release() };
    let function = function.ok_or(unsupported)?;
    tracing::trace!(target: "xc::call", call);
    Ok(function)
}

/// The handle, for one call.
fn handle(interface: &Interface) -> Result<*mut xc_interface, CallError> {
    interface.as_ptr().map_err(|_| CallError::UsedAfterFork)
}

fn to_raw(map: &[E820Entry]) -> Vec<xenguest_sys::E820Entry> {
    map.iter()
        .map(|entry| xenguest_sys::E820Entry {
            addr: entry.start,
            size: entry.size.get(),
            type_: entry.kind.raw(),
        })
        .collect()
}
