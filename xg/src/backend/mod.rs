//! The seam: one method per C call or field of `struct xc_dom_image`.
//!
//! [`LibXenGuest`] makes the calls. A simulated machine implements [`Backend`] itself; everything
//! above this module is the same for both.

mod dump;
mod libxenguest;
mod outcome;
mod policy;
mod resume;
mod save;

use std::ffi::CStr;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::io::Errno;
use xc::{E820Entry, Release};
use xen_types::{DomId, Gfn, Mfn, PageCount, Port};

pub use crate::payload::Content;
pub use dump::DumpCalls;
pub use libxenguest::{LibXenGuest, OpenError};
pub use policy::{Policy, PolicyCalls, PolicyEntry};
pub use resume::ResumeCalls;
pub use save::{Ends, Restorer, SaveCalls, Saver};
pub use xc::backend::Hypervisor;
pub use xenguest_sys::{CpuidLeaf, ImageField, MsrEntry, XEN_CPUID_NO_SUBLEAF};
pub use xenguest_sys::{PrecopyStats, Progress};

/// The calls that need no image and no policy.
pub trait Backend: PolicyCalls + DumpCalls + ResumeCalls + SaveCalls {
    /// `xc_dom_allocate`. Dropping the image is `xc_dom_release`.
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError>;

    /// `xc_domain_set_memory_map`: libxenctrl's, called in the middle of a build.
    fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError>;

    /// `xc_hvm_param_set`: libxenctrl's, called at the end of a build.
    fn hvm_param_set(&self, _dom: DomId, _param: u32, _value: u64) -> Result<(), CallError> {
        Err(CallError::Unsupported { call: "xc_hvm_param_set", xen: self.release() })
    }

    /// `xc_cpuid_apply_policy` of a new domain, with no overrides and PAE, which every guest has.
    /// `restore` is for a guest that ran under a Xen that saved no policy with it.
    fn cpuid_apply_policy(
        &self,
        dom: DomId,
        restore: bool,
        itsc: bool,
        nested_virt: bool,
    ) -> Result<(), CallError>;
}

/// A domain under construction. Dropping it releases it, in whatever state it is.
///
/// The calls that fail come in the order in which they stand here, once each, but for
/// [`Self::module_mem`], which may be left out or come twice. libxenguest does not look at their
/// order and leaves its bounds in another, so [`LibXenGuest`] refuses that:
/// [`CallError::OutOfOrder`]. After one that failed nothing is left to call.
pub trait Image: fmt::Debug {
    /// `container_type`.
    fn set_container_type(&mut self, container: Container);
    /// `flags`, the `SIF_*` of a PV guest's start info.
    fn set_flags(&mut self, flags: u64);
    /// `console_evtchn` and `console_domid`.
    fn set_console(&mut self, port: Port, domain: DomId);
    /// `xenstore_evtchn` and `xenstore_domid`.
    fn set_xenstore(&mut self, port: Port, domain: DomId);
    /// `claim_enabled`.
    fn set_claim_enabled(&mut self, claim: bool);
    /// `max_vcpus`.
    fn set_max_vcpus(&mut self, vcpus: u32);
    /// `target_pages`.
    fn set_target_pages(&mut self, pages: PageCount);
    /// `mmio_start` and `mmio_size`.
    fn set_mmio(&mut self, start: u64, size: u64);
    /// `lowmem_end`.
    fn set_lowmem_end(&mut self, end: u64);
    /// `highmem_end`.
    fn set_highmem_end(&mut self, end: u64);
    /// `vga_hole_size`.
    fn set_vga_hole_size(&mut self, pages: PageCount);
    /// `device_model`.
    fn set_device_model(&mut self, device_model: bool);
    /// `system_firmware_module`: data and length.
    fn set_system_firmware_module(&mut self, module: Arc<Content>);
    /// `acpi_modules[0]`: data, length and the address at which it is to be placed; 0 for anywhere,
    /// in an HVM guest.
    fn set_acpi_module(&mut self, module: Vec<u8>, address: u64);
    /// `smbios_module`: data and length.
    fn set_smbios_module(&mut self, module: Arc<Content>);
    /// `e820` and `e820_entries`.
    fn set_e820(&mut self, map: &[E820Entry]);

    /// `xc_dom_kernel_mem`.
    fn kernel_mem(&mut self, kernel: Arc<Content>) -> Result<(), CallError>;
    /// `xc_dom_module_mem`, without a command line; [`CallError::TooManyModules`] for a third.
    fn module_mem(&mut self, module: Arc<Content>) -> Result<(), CallError>;
    /// `xc_dom_boot_xen_init`.
    fn boot_xen_init(&mut self, dom: DomId) -> Result<(), CallError>;
    /// `xc_dom_parse_image`.
    fn parse_image(&mut self) -> Result<(), CallError>;
    /// `xc_dom_mem_init`, in MiB.
    fn mem_init(&mut self, mib: u32) -> Result<(), CallError>;
    /// `xc_dom_boot_mem_init`.
    fn boot_mem_init(&mut self) -> Result<(), CallError>;
    /// `xc_dom_build_image`.
    fn build_image(&mut self) -> Result<(), CallError>;
    /// `xc_dom_boot_image`.
    fn boot_image(&mut self) -> Result<(), CallError>;
    /// `xc_dom_gnttab_init`.
    fn gnttab_init(&mut self) -> Result<(), CallError>;

    /// `console_pfn`.
    fn console_pfn(&self) -> Gfn;
    /// `xenstore_pfn`.
    fn xenstore_pfn(&self) -> Gfn;
    /// `acpi_modules[0].guest_addr_out`.
    fn acpi_module_guest_addr(&self) -> u64;
    /// `smbios_module.guest_addr_out`.
    fn smbios_module_guest_addr(&self) -> u64;
    /// `pv_p2m[gfn]`, of a built PV image; `None` beyond the map.
    fn pv_p2m(&self, gfn: Gfn) -> Option<Mfn>;
}

/// `container_type` of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `XC_DOM_PV_CONTAINER`.
    Pv,
    /// `XC_DOM_HVM_CONTAINER`, for HVM and PVH.
    Hvm,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError {
    /// The library refused.
    Failed {
        /// The error number, if the call set one.
        errno: Option<Errno>,
        /// What the library logged during the call.
        said: Vec<String>,
    },
    /// This release of Xen does not have the call.
    Unsupported {
        /// The C function.
        call: &'static str,
        /// The release.
        xen: Release,
    },
    /// The library's images are laid out otherwise than those of the release that it is named for.
    Layout {
        /// The file.
        library: PathBuf,
        /// The release.
        xen: Release,
        /// A field of a new image.
        field: ImageField,
        /// What it holds.
        found: u64,
    },
    /// A call failed at an entry of a CPU policy.
    At {
        /// The entry.
        entry: PolicyEntry,
        /// How it failed.
        source: Box<Self>,
    },
    /// Two CPU policies are of different libraries.
    Foreign,
    /// The domain has no virtual CPU, and the library would ask for each of 2^32.
    NoVcpu,
    /// The PV domain says that it has so many frames, and the library would leave its bounds.
    TooManyFrames(u64),
    /// A call of a build was made of an image that had not come so far, or had come farther.
    OutOfOrder(&'static str),
    /// An image has no room for another module.
    TooManyModules,
    /// The image was made by another process, before a fork.
    UsedAfterFork,
}

impl fmt::Display for CallError {
    /// The library's own words are part of the text, because no other source has them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { errno: Some(errno), said } if said.is_empty() => errno.fmt(f),
            Self::Failed { errno: Some(errno), said } => {
                write!(f, "{errno}; libxenguest said: {}", said.join("; "))
            }
            Self::Failed { errno: None, said } if said.is_empty() => {
                f.write_str("libxenguest gave no reason")
            }
            Self::Failed { errno: None, said } => {
                write!(f, "libxenguest said: {}", said.join("; "))
            }
            Self::Unsupported { call, xen } => write!(f, "Xen {xen} has no {call}"),
            Self::At { entry, source } => write!(f, "{entry}: {source}"),
            Self::Foreign => f.write_str("the CPU policies are of different libraries"),
            Self::NoVcpu => f.write_str("it has no virtual CPU"),
            Self::TooManyFrames(frames) => {
                write!(f, "it says that it has {frames} frames, more than libxenguest has room for")
            }
            Self::OutOfOrder(call) => write!(f, "{call} has no place after the calls before it"),
            Self::TooManyModules => f.write_str("a third module: libxenguest has room for two"),
            Self::UsedAfterFork => {
                f.write_str("the handle was opened by another process, before a fork")
            }
            Self::Layout { library, xen, field, found } => write!(
                f,
                "{}: not the image layout of Xen {xen}: {field:?} of a new one is {found:#x}",
                library.display()
            ),
        }
    }
}

impl std::error::Error for CallError {}
