//! Opening: which Xen, and which library.

#![allow(unsafe_code, reason = "loads a C library")]

use std::path::PathBuf;
use std::sync::Arc;

use xenctrl_sys::{Library, LoadError, Profile, Release};

use crate::backend::LibXenCtrl;
use crate::canary::check_answers;
use crate::error::Cause;
use crate::{Error, Result, Xc};

/// How to open the hypervisor, where [`Xc::open`] does not do.
///
/// ```
/// use xc::{Kind, OpenOptions, Release};
///
/// let unknown = OpenOptions::new().release(Release::new(4, 99)).open().unwrap_err();
/// assert_eq!(unknown.kind(), Kind::Unavailable);
/// ```
///
/// The methods that are `unsafe` put a promise of the caller in the place of what is known of the
/// releases. Part of it is checked on opening: the sizes of the structures that the library writes,
/// its release, and whether its answers make sense.
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

    /// Tries the newest known layouts on a Xen newer than this crate.
    ///
    /// # Safety
    /// The calls that this crate makes must have the same prototypes in that release, and read and
    /// write no larger structures. Releases up to now did change both.
    pub unsafe fn allow_unknown_release(mut self, allow: bool) -> Self {
        self.allow_unknown_release = allow;
        self
    }

    /// Takes the library from this folder, and libxenguest with it.
    ///
    /// # Safety
    /// The files `libxenctrl.so.RELEASE` and `libxenguest.so.RELEASE` there, if any, must be those of
    /// that release.
    pub unsafe fn library_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Assumes these layouts instead of those measured for the release, for a vendor's Xen that
    /// differs from the one it is named after.
    ///
    /// # Safety
    /// They must be those of the library that will be loaded, or differ from it in the size of the
    /// domain or host information, which is checked.
    pub unsafe fn layouts(mut self, profile: Profile) -> Self {
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
        let fail = |cause: Cause| Error::new("open the hypervisor", cause);
        let release = self.release.map_or_else(Release::running, Ok).map_err(|e| fail(e.into()))?;
        let library = Arc::new(self.load(release).map_err(|e| fail(e.into()))?);
        let backend = LibXenCtrl::open(Arc::clone(&library))?;
        check_answers(&backend).map_err(fail)?;
        tracing::debug!(library = %library.path().display(), %release, "opened the hypervisor");
        Ok(Xc { backend: Arc::new(backend), library: Some(library) })
    }

    fn load(&self, release: Release) -> Result<Library, LoadError> {
        let profile = self.profile_for(release)?;
        // SAFETY: the file must be libxenctrl with these layouts: the soname says so where all is as
        // measured; where folder, layouts or release are not, the caller of the option promised it.
        unsafe { Library::load_with(release, profile, self.directory.as_deref()) }
    }

    fn profile_for(&self, release: Release) -> Result<Profile, LoadError> {
        let newer = release > Profile::NEWEST && self.allow_unknown_release;
        self.profile
            .or_else(|| Profile::of(release))
            .or_else(|| newer.then(Profile::newest))
            .ok_or(LoadError::UnknownRelease { release })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_release_needs_the_opt_in_and_an_older_one_has_none() {
        let newer = Release::new(4, 99);
        let older = Release::new(4, 14);
        let opted = OpenOptions { allow_unknown_release: true, ..OpenOptions::default() };
        assert!(OpenOptions::new().profile_for(newer).is_err());
        assert_eq!(opted.profile_for(newer).unwrap(), Profile::newest());
        assert!(opted.profile_for(older).is_err());
    }
}
