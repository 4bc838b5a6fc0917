//! Kernels that were unpacked before.
//!
//! ```text
//! compressed kernel ──SHA-256──▶ key ──▶ in memory? ──▶ in the folder, whole? ──▶ unpack, keep in both
//! ```
//! The key is a strong hash, as a kernel may come from a guest's own disk: whoever finds two files with
//! one key could have others start his kernel. What is kept is believed as far as the folder is only its
//! owner's to change; the checksum in an entry is against bad disks, not against people.
//!
//! A cache is a matter of speed: whatever goes wrong with it is told by `tracing::warn`, and the kernel
//! is unpacked as if there were none.

mod entry;
mod folder;
mod shelf;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use xen_types::MiB;

use crate::payload::Content;
use crate::{Kernel, Result};
use folder::Folder;
use shelf::Shelf;

/// Unpacks kernels, each once.
///
/// It keeps them in memory, for the guests of one process, and in a folder, for those of all; both
/// have a bound, at which what was used the longest ago goes first. Any number of threads and processes
/// may share it; two that unpack the same kernel at the same time both do the work.
///
/// ```no_run
/// use xen_types::MiB;
/// use xg::{Kernel, KernelCache};
///
/// let cache = KernelCache::new().in_memory(MiB(256)).in_folder(KernelCache::FOLDER, MiB(512));
/// let kernel = cache.unpack(&Kernel::load("/boot/vmlinuz")?)?.kernel;
/// # Ok::<(), xg::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct KernelCache {
    shelf: Option<Mutex<Shelf>>,
    folder: Option<Folder>,
}

impl KernelCache {
    /// The usual folder.
    pub const FOLDER: &str = "/var/cache/xenops";

    /// Keeps nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps kernels of up to `most` altogether in memory.
    #[must_use]
    pub fn in_memory(self, most: MiB) -> Self {
        Self { shelf: Some(Mutex::new(Shelf::new(bytes(most)))), ..self }
    }

    /// Keeps kernels of up to `most` altogether in the folder `path`, which is made when there is
    /// something to keep.
    ///
    /// A folder that is a link, is neither root's nor this process's user's, or that others may write
    /// to is neither read nor written.
    #[must_use]
    pub fn in_folder(self, path: impl Into<PathBuf>, most: MiB) -> Self {
        Self { folder: Some(Folder::new(path.into(), bytes(most))), ..self }
    }

    /// What [`Kernel::unpack`] gives, from where it is kept if it is.
    ///
    /// # Errors
    /// As [`Kernel::unpack`]. Nothing that is wrong with the cache is an error.
    pub fn unpack(&self, kernel: &Kernel) -> Result<Prepared> {
        if !kernel.is_packed()? {
            return Ok(Prepared { kernel: kernel.clone(), origin: Origin::Given });
        }
        let key = Key::of(kernel);
        if let Some(content) = self.on_shelf(&key) {
            return Ok(Prepared { kernel: kernel.with_content(content), origin: Origin::Memory });
        }
        if let Some(content) = self.in_the_folder(&key) {
            let kernel = kernel.with_content(Arc::new(content));
            self.shelve(key, &kernel);
            return Ok(Prepared { kernel, origin: Origin::Folder });
        }
        let kernel = kernel.unpack()?;
        tracing::debug!(kernel = kernel.name(), bytes = kernel.bytes().len(), "unpacked");
        self.shelve(key, &kernel);
        self.keep(&key, &kernel);
        Ok(Prepared { kernel, origin: Origin::Unpacked })
    }

    fn on_shelf(&self, key: &Key) -> Option<Arc<Content>> {
        let mut shelf = self.shelf.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.find(key).filter(|content| content.is_intact())
    }

    fn shelve(&self, key: Key, kernel: &Kernel) {
        if let Some(shelf) = &self.shelf {
            shelf.lock().unwrap_or_else(PoisonError::into_inner).put(key, kernel.share());
        }
    }

    fn in_the_folder(&self, key: &Key) -> Option<Content> {
        let found = self.folder.as_ref()?.find(key);
        found.unwrap_or_else(|problem| {
            tracing::warn!(%key, error = &problem as &dyn std::error::Error, "kernel cache");
            None
        })
    }

    fn keep(&self, key: &Key, kernel: &Kernel) {
        let kept = self.folder.as_ref().map_or(Ok(()), |folder| folder.keep(key, kernel.bytes()));
        if let Err(problem) = kept {
            tracing::warn!(%key, error = &problem as &dyn std::error::Error, "kernel cache");
        }
    }
}

/// A kernel that is not compressed, as far as this crate knows compressions.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prepared {
    /// The kernel.
    pub kernel: Kernel,
    /// Where it is from.
    pub origin: Origin,
}

/// Where a [`Prepared`] kernel is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// It was not compressed, or with LZO.
    Given,
    /// It was unpacked just now.
    Unpacked,
    /// From memory.
    Memory,
    /// From the folder.
    Folder,
}

/// The SHA-256 of a compressed kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key([u8; 32]);

impl Key {
    fn of(kernel: &Kernel) -> Self {
        Self(Sha256::digest(kernel.bytes()).into())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

fn bytes(most: MiB) -> u64 {
    most.to_bytes().get()
}

#[cfg(test)]
mod tests;
