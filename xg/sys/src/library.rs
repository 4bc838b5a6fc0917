//! Opening libxenguest beside the libxenctrl of its release.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Functions, ImageLayout, Release};

/// libxenguest of one release and its libxenctrl, loaded for as long as the program runs.
#[derive(Debug)]
pub struct Library {
    functions: Functions,
    layout: ImageLayout,
    path: PathBuf,
    ctrl: Arc<xenctrl_sys::Library>,
}

impl Library {
    /// Loads libxenctrl and then libxenguest of `release` from where the system keeps its libraries.
    ///
    /// # Errors
    /// [`LoadError::Ctrl`] if libxenctrl cannot be loaded, otherwise as [`Library::beside`].
    pub fn load(release: Release) -> Result<Self, LoadError> {
        Self::beside(Arc::new(xenctrl_sys::Library::load(release)?))
    }

    /// Loads the libxenguest that belongs to `ctrl`, from the same folder.
    ///
    /// For a release newer than this crate, which `ctrl` then was loaded for on request, the layout
    /// of the newest known one is tried.
    ///
    /// # Errors
    /// [`LoadError::UnknownRelease`] for a release older than all known ones, otherwise
    /// [`LoadError::Open`].
    pub fn beside(ctrl: Arc<xenctrl_sys::Library>) -> Result<Self, LoadError> {
        let release = ctrl.release();
        let known = release.min(ImageLayout::NEWEST);
        let layout = ImageLayout::of(known).ok_or(LoadError::UnknownRelease { release })?;
        let path = beside(ctrl.path(), release);
        // SAFETY: must be a Xen library: whoever loaded `ctrl` promised libxenguest beside it.
        let library = unsafe { xenctrl_sys::open_for_good(&path) }
            .map_err(|source| LoadError::Open { path: path.clone(), release, source })?;
        // SAFETY: must be libxenguest of a known layout and stay loaded: the soname says which it
        // is, images are checked before use, and `open_for_good` keeps it.
        let functions = unsafe { Functions::load(&library, known.minor) };
        Ok(Self { functions, layout, path, ctrl })
    }

    /// The calls of the library.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Where the fields of the library's images stand.
    pub fn layout(&self) -> &ImageLayout {
        &self.layout
    }

    /// The libxenctrl of the same release.
    pub fn ctrl(&self) -> &Arc<xenctrl_sys::Library> {
        &self.ctrl
    }

    /// The file name it was opened under.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// In the folder of `ctrl`; where that is a name only, the dynamic loader looks for both.
fn beside(ctrl: &Path, release: Release) -> PathBuf {
    ctrl.with_file_name(format!("libxenguest.so.{release}"))
}

/// libxenguest could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// libxenctrl of the same release could not be loaded.
    #[error(transparent)]
    Ctrl(#[from] xenctrl_sys::LoadError),
    /// The layout of this release's images was never measured.
    #[error(
        "libxenguest of Xen {release} is not known here (known: {} to {})",
        ImageLayout::OLDEST,
        ImageLayout::NEWEST
    )]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libxenguest_is_looked_for_where_libxenctrl_was_found() {
        let release = Release::new(4, 17);
        let of = |ctrl| beside(Path::new(ctrl), release).display().to_string();
        assert_eq!(of("/opt/xen/libxenctrl.so.4.17"), "/opt/xen/libxenguest.so.4.17");
        assert_eq!(of("libxenctrl.so.4.17"), "libxenguest.so.4.17");
    }

    #[test]
    fn an_unmeasured_release_is_refused() {
        let error = Library::load(Release::new(4, 99)).unwrap_err();
        assert!(error.to_string().contains("4.99"), "{error}");
    }
}
