//! Opening the one library that fits a release.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use libloading::os::unix::{self, RTLD_LOCAL, RTLD_NOW};

use crate::{Functions, Profile, Release};

/// libxenctrl of one release, loaded for as long as the program runs: see [`open_for_good`].
#[derive(Debug)]
pub struct Library {
    functions: Functions,
    profile: Profile,
    release: Release,
    path: PathBuf,
}

impl Library {
    /// Loads libxenctrl of `release` from where the system keeps its libraries.
    ///
    /// # Errors
    /// [`LoadError::UnknownRelease`] if this crate has no profile for `release`, otherwise
    /// [`LoadError::Open`].
    pub fn load(release: Release) -> Result<Self, LoadError> {
        let profile = Profile::of(release).ok_or(LoadError::UnknownRelease { release })?;
        // SAFETY: the system's library of that name must be libxenctrl with the layouts of
        // `profile`: the soname is that of one release, whose layouts were measured.
        unsafe { Self::load_with(release, profile, None) }
    }

    /// Loads libxenctrl of `release` from the folder `directory`.
    ///
    /// # Safety
    /// As [`Library::load_with`], for the layouts measured for `release`.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub unsafe fn load_from(directory: &Path, release: Release) -> Result<Self, LoadError> {
        let profile = Profile::of(release).ok_or(LoadError::UnknownRelease { release })?;
        // SAFETY: the folder must hold what the name says: the caller promises it.
        unsafe { Self::load_with(release, profile, Some(directory)) }
    }

    /// Loads libxenctrl of `release`, from `directory` if one is given, and takes its layouts and
    /// prototypes to be those of `profile`: the way to try a release newer than this crate.
    ///
    /// # Safety
    /// The file must be a libxenctrl whose calls have the prototypes of [`Functions`] and read and
    /// write the layouts of `profile`; a `libxenguest` beside it that is opened with the crate
    /// `xenguest-sys` must belong to it.
    ///
    /// # Errors
    /// [`LoadError::Open`].
    pub unsafe fn load_with(
        release: Release,
        profile: Profile,
        directory: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let path = directory.unwrap_or(Path::new("")).join(format!("libxenctrl.so.{release}"));
        // SAFETY: must be a Xen library: the caller promises libxenctrl.
        let library = unsafe { open_for_good(&path) }.map_err(|source| LoadError::Open {
            path: path.clone(),
            release,
            source,
        })?;
        // SAFETY: must be libxenctrl with the prototypes of the release and stay loaded: the caller
        // promises the one, `open_for_good` the other.
        let functions = unsafe { Functions::load(&library, release) };
        Ok(Self { functions, profile, release, path })
    }

    /// The calls of the library.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// The layouts that the library uses.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The release that the library belongs to.
    pub fn release(&self) -> Release {
        self.release
    }

    /// The file name it was opened under.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// libxenctrl could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The layouts of this release were never measured.
    #[error("Xen {release} is not known here (known: {} to {})", Profile::OLDEST, Profile::NEWEST)]
    UnknownRelease {
        /// The release asked for.
        release: Release,
    },
    /// The dynamic loader refused the file; the source has its words.
    #[error("load {} for Xen {release}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The release it was to serve.
        release: Release,
        /// What the dynamic loader said.
        source: libloading::Error,
    },
}

/// Opens a library and never closes it.
///
/// libxenctrl gives every thread that formats an error a buffer, and registers a destructor for it
/// with `pthread_key_create` that lives inside the library and is never taken back
/// (`_xc_init_errbuf`, `tools/libs/ctrl/xc_private.c`, 4.15 to 4.22). Were the library unloaded, such
/// a thread would jump into nothing when it exits, and each new load would use up another key.
///
/// # Safety
/// The file must be libxenctrl or libxenguest: their initialisers, and those of the libraries they
/// need, do not depend on the program's state.
#[doc(hidden)]
pub unsafe fn open_for_good(path: &Path) -> Result<ManuallyDrop<unix::Library>, libloading::Error> {
    // SAFETY: the initialisers must be sound to run: the caller promises a Xen library.
    unsafe { unix::Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map(ManuallyDrop::new)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_unmeasured_release_is_refused_before_its_library_is_looked_for() {
        let error = Library::load(Release::new(4, 99)).unwrap_err();
        assert_eq!(error.to_string(), "Xen 4.99 is not known here (known: 4.15 to 4.22)");
    }

    #[test]
    fn a_missing_library_is_named_with_its_release_and_the_loaders_words() {
        // SAFETY: the folder must hold Xen's library: it holds nothing.
        let loaded = unsafe { Library::load_from(Path::new("/nowhere"), Release::new(4, 17)) };
        let error = loaded.unwrap_err();
        assert_eq!(error.to_string(), "load /nowhere/libxenctrl.so.4.17 for Xen 4.17");
        let source = error.source().unwrap();
        let loader = source.source().map_or_else(|| source.to_string(), ToString::to_string);
        assert!(loader.contains("No such file or directory"), "{loader}");
    }
}
