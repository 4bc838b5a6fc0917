//! Opening libxenguest beside the libxenctrl of its release.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Functions, ImageLayout, Release};

/// libxenguest of one release, loaded together with its libxenctrl.
#[derive(Debug)]
pub struct Library {
    functions: Functions,
    layout: ImageLayout,
    path: PathBuf,
    libraries: Stack<libloading::Library, Arc<xenctrl_sys::Library>>,
}

impl Library {
    /// Loads libxenctrl and then libxenguest of `release` from where the system keeps its libraries.
    ///
    /// A libxenctrl that is already loaded is shared: the dynamic loader counts its users.
    ///
    /// # Errors
    /// [`LoadError::Ctrl`] if libxenctrl cannot be loaded, [`LoadError::UnknownRelease`] if this
    /// crate has no layout for `release`, otherwise [`LoadError::Open`].
    pub fn load(release: Release) -> Result<Self, LoadError> {
        Self::load_with(Arc::new(xenctrl_sys::Library::load(release)?), None)
    }

    /// Loads the libxenguest that belongs to `ctrl`, from `directory` if one is given.
    ///
    /// # Errors
    /// As [`Library::load`].
    pub fn load_with(
        ctrl: Arc<xenctrl_sys::Library>,
        directory: Option<&Path>,
    ) -> Result<Self, LoadError> {
        let release = ctrl.release();
        let layout = ImageLayout::of(release).ok_or(LoadError::UnknownRelease { release })?;
        let path = directory.unwrap_or(Path::new("")).join(format!("libxenguest.so.{release}"));
        // SAFETY: running the library's initialisers must be sound: libxenguest's register its
        // kernel loaders in a list of its own (xg_dom_core.c, 4.15 to 4.22) and nothing else.
        let library = unsafe { libloading::Library::new(&path) }
            .map_err(|source| LoadError::Open { path: path.clone(), release, source })?;
        // SAFETY: must be libxenguest of a known layout and stay open: the soname says which it is,
        // and the library is kept beside the table.
        let functions = unsafe { Functions::load(&library) };
        Ok(Self { functions, layout, path, libraries: Stack { upper: library, lower: ctrl } })
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
        &self.libraries.lower
    }

    /// The file name it was opened under.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A library and the one below it. Fields are dropped in the order of declaration, so the upper one
/// is closed first.
#[derive(Debug)]
struct Stack<Upper, Lower> {
    #[allow(dead_code, reason = "held open for the pointers taken from it")]
    upper: Upper,
    lower: Lower,
}

/// libxenguest could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// libxenctrl of the same release could not be loaded.
    #[error(transparent)]
    Ctrl(#[from] xenctrl_sys::LoadError),
    /// The layout of this release's images was never measured.
    #[error("libxenguest of Xen {release} is not known here (known: 4.15 to 4.22)")]
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
    use std::cell::RefCell;

    use super::*;

    struct Named<'a>(&'static str, &'a RefCell<Vec<&'static str>>);

    impl Drop for Named<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
        }
    }

    #[test]
    fn libxenguest_is_closed_before_libxenctrl() {
        let closed = RefCell::new(Vec::new());
        drop(Stack { lower: Named("libxenctrl", &closed), upper: Named("libxenguest", &closed) });
        assert_eq!(*closed.borrow(), ["libxenguest", "libxenctrl"]);
    }

    #[test]
    fn an_unmeasured_release_is_refused() {
        let error = Library::load(Release::new(4, 99)).unwrap_err();
        assert!(error.to_string().contains("4.99"), "{error}");
    }
}
