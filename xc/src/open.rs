//! Opening: which Xen, which library, and whether the two understand each other.

use std::path::PathBuf;
use std::sync::Arc;

use xenctrl_sys::{DomainInfoLayout, Library, LoadError, PhysInfoLayout, Profile, Release, v4_15};

use crate::backend::{self, Backend, LibXenCtrl};
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// How to open the hypervisor, where [`Xc::open`] does not do.
///
/// ```
/// let opened = xc::OpenOptions::new().allow_unknown_release(true).open();
/// # drop(opened);
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    allow_unknown_release: bool,
    directory: Option<PathBuf>,
    profile: Option<Profile>,
    release: Option<Release>,
}

impl OpenOptions {
    /// What [`Xc::open`] does.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tries the newest known layouts on a Xen newer than this crate. They are still checked against
    /// the library as far as that is possible.
    pub fn allow_unknown_release(mut self, allow: bool) -> Self {
        self.allow_unknown_release = allow;
        self
    }

    /// Takes the library from this folder.
    pub fn library_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Assumes these layouts instead of those measured for the release, for a vendor's Xen that
    /// differs from the one it is named after. They are checked as far as that is possible.
    pub fn layouts(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Takes this to be the running release instead of finding out. A library that reports another
    /// is refused.
    pub fn release(mut self, release: Release) -> Self {
        self.release = Some(release);
        self
    }

    /// Opens the running hypervisor.
    ///
    /// # Errors
    /// As [`Xc::open`].
    pub fn open(&self) -> Result<Xc> {
        self.release
            .map_or_else(|| Release::running().map_err(Cause::from), Ok)
            .and_then(|release| self.open_release(release))
            .map_err(|cause| Error::new("open the hypervisor", cause))
    }

    fn open_release(&self, release: Release) -> Result<Xc, Cause> {
        let profile = self.profile_for(release)?;
        let library = Library::load_with(release, profile, self.directory.as_deref())?;
        let backend = LibXenCtrl::open(Arc::new(library))?;
        check_layouts(&backend)?;
        check_answers(&backend)?;
        tracing::debug!(
            library = %backend.library().path().display(), %release, "opened the hypervisor"
        );
        Ok(Xc::with_backend(Arc::new(backend)))
    }

    fn profile_for(&self, release: Release) -> Result<Profile, LoadError> {
        let newer = release > Profile::NEWEST && self.allow_unknown_release;
        self.profile
            .or_else(|| Profile::of(release))
            .or_else(|| newer.then(Profile::newest))
            .ok_or(LoadError::UnknownRelease { release })
    }
}

/// Compares what the library writes with the layouts that the profile names. A library changed
/// under an unchanged name shows here, before its answers are believed.
fn check_layouts(backend: &LibXenCtrl) -> Result<(), Cause> {
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
fn check_answers(backend: &dyn Backend) -> Result<(), Cause> {
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
#[path = "open_tests.rs"]
mod tests;
