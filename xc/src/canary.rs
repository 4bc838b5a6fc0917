//! Whether the library understands this hypervisor, and we the library.

use std::path::PathBuf;

use xenctrl_sys::{DomainInfoLayout, PhysInfoLayout, Release, v4_15};

use crate::backend::{self, Backend, LibXenCtrl};
use crate::error::Cause;

/// Compares what the library writes with the layouts that the profile names. A library changed
/// under an unchanged name shows here, before its answers are believed.
pub(crate) fn check_layouts(backend: &LibXenCtrl) -> Result<(), Cause> {
    let profile = backend.library().profile();
    let domain_info = match profile.domain_info {
        DomainInfoLayout::V4_15 => size_of::<v4_15::DomainInfo>(),
        DomainInfoLayout::V4_16 => size_of::<backend::DomainInfo>(),
    };
    let phys_info = match profile.phys_info {
        PhysInfoLayout::V4_15 => size_of::<v4_15::PhysInfo>(),
        PhysInfoLayout::V4_17 => size_of::<backend::PhysInfo>(),
    };
    let found = [
        ("xc_domaininfo_t", domain_info, backend.domain_info_bytes()?),
        ("xc_physinfo_t", phys_info, backend.phys_info_bytes()?),
    ];
    match found.into_iter().find(|(_, expected, actual)| expected != actual) {
        None => Ok(()),
        Some((structure, expected, actual)) => Err(Cause::Canary(CanaryError::Layout {
            library: backend.library().path().to_owned(),
            structure,
            expected,
            actual,
        })),
    }
}

/// Asks what is known beforehand: the version, domain 0, and what a host must have.
pub(crate) fn check_answers(backend: &dyn Backend) -> Result<(), Cause> {
    let library = backend.release();
    let hypervisor = Release::from_version(backend.version()?);
    if hypervisor != library {
        return Err(CanaryError::OtherRelease { library, hypervisor }.into());
    }
    let doubt = |what| Err(Cause::Canary(CanaryError::Answer { library, hypervisor, what }));
    let domains = backend.domain_getinfolist(0, 2)?;
    let ids: Vec<u16> = domains.iter().map(|d| d.domain).collect();
    match ids[..] {
        [0] => {}
        [0, second] if second > 0 => {}
        _ => return doubt("a list of domains that does not start with domain 0"),
    }
    if domains.iter().any(|d| d.handle == [0xff; 16]) {
        return doubt("domains with impossible UUIDs");
    }
    let host = backend.physinfo()?;
    let plausible = (1..=MAX_CPUS).contains(&host.nr_cpus)
        && host.free_pages <= host.total_pages
        && host.total_pages <= MAX_MFN
        && host.max_mfn <= MAX_MFN;
    if plausible { Ok(()) } else { doubt("a host with impossible processors or memory") }
}

/// The library does not understand this hypervisor, or we do not understand the library.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanaryError {
    #[error("the library belongs to Xen {library}, the hypervisor is Xen {hypervisor}")]
    OtherRelease { library: Release, hypervisor: Release },
    #[error(
        "{}: {structure} has {actual} bytes there and {expected} in the layouts assumed",
        library.display()
    )]
    Layout { library: PathBuf, structure: &'static str, expected: usize, actual: usize },
    #[error("libxenctrl {library} reports {what} of Xen {hypervisor}: the layouts do not fit")]
    Answer { library: Release, hypervisor: Release, what: &'static str },
}

/// Far above `NR_CPUS` of any build.
const MAX_CPUS: u32 = 16384;
/// Physical addresses have at most 52 bits on x86-64.
const MAX_MFN: u64 = 1 << 40;

#[cfg(test)]
#[path = "canary_tests.rs"]
mod tests;
