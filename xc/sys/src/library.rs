//! Opening the one library that fits a release.

use std::path::{Path, PathBuf};

use crate::{Functions, Profile, Release};

/// libxenctrl of one release, loaded.
#[derive(Debug)]
pub struct Library {
    functions: Functions,
    profile: Profile,
    release: Release,
    path: PathBuf,
    /// Closed last: `functions` points into it.
    _library: libloading::Library,
}

impl Library {
    /// Loads libxenctrl of `release` from where the system keeps its libraries.
    ///
    /// # Errors
    /// [`LoadError::UnknownRelease`] if this crate has no profile for `release`, otherwise
    /// [`LoadError::Open`].
    pub fn load(release: Release) -> Result<Self, LoadError> {
        let profile = Profile::of(release).ok_or(LoadError::UnknownRelease { release })?;
        Self::load_with(release, profile, None)
    }

    /// Loads libxenctrl of `release` from the folder `directory`.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub fn load_from(directory: &Path, release: Release) -> Result<Self, LoadError> {
        let profile = Profile::of(release).ok_or(LoadError::UnknownRelease { release })?;
        Self::load_with(release, profile, Some(directory))
    }

    /// Loads libxenctrl of `release` and takes its layouts to be those of `profile`: the way to try
    /// a release newer than this crate, at the caller's risk.
    ///
    /// # Errors
    /// [`LoadError::Open`].
    pub fn load_with(
        release: Release,
        profile: Profile,
        directory: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let path = directory.unwrap_or(Path::new("")).join(soname(release));
        // SAFETY: running the library's initialisers must be sound: libxenctrl and the libraries it
        // needs have none that depend on the program's state.
        let library = unsafe { libloading::Library::new(&path) }
            .map_err(|source| LoadError::Open { path: path.clone(), release, source })?;
        // SAFETY: must be libxenctrl of a known profile and stay open: the soname says which it is,
        // and the library is kept beside the table.
        let functions = unsafe { Functions::load(&library) };
        Ok(Self { functions, profile, release, path, _library: library })
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

fn soname(release: Release) -> String {
    format!("libxenctrl.so.{release}")
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
        let error = Library::load_from(Path::new("/nowhere"), Release::new(4, 17)).unwrap_err();
        assert_eq!(error.to_string(), "load /nowhere/libxenctrl.so.4.17 for Xen 4.17");
        let source = error.source().unwrap();
        let loader = source.source().map_or_else(|| source.to_string(), ToString::to_string);
        assert!(loader.contains("No such file or directory"), "{loader}");
    }
}
