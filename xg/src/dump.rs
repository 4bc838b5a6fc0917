//! Core dumps of domains.

use std::ffi::CString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use rustix::io::Errno;
use xen_types::DomId;

use crate::backend::CallError;
use crate::{Error, Result, Xg};

impl Xg {
    /// Writes the memory and the virtual CPUs' state of `dom` into the file at `path`, which is made
    /// for its owner alone, or emptied.
    ///
    /// The file is ELF with the sections of `docs/misc/dump-core-format.txt` of Xen, as
    /// `xl dump-core` writes it. Pause the domain first: what changes meanwhile is dumped half old, half
    /// new. A dump that failed leaves the file as far as it came. For HVM and PVH libxenguest tries
    /// every frame up to the highest, which is near 4 GiB however small the guest is: it takes long.
    ///
    /// Nobody may destroy the domain before the dump is over, so that another takes its number: the
    /// caller sees to that. Domains with which libxenguest writes past the end of its memory are
    /// refused before the dump begins; of one that comes later nobody looks at that.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone or the folder is not there,
    /// [`Kind::Invalid`](crate::Kind::Invalid) without virtual CPUs and for a path with a zero in it,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the file system is full,
    /// [`Kind::Denied`](crate::Kind::Denied), or another kind with libxenguest's words for a domain
    /// whose virtual CPUs are not set up, and for a PV guest that publishes no map of its memory
    /// (`pfn_to_mfn_frame_list_list` of the shared info), as small ones do not.
    #[doc(alias = "xc_domain_dumpcore")]
    pub fn dump_core(&self, dom: DomId, path: &Path) -> Result<()> {
        CString::new(path.as_os_str().as_bytes())
            .map_err(|_| CallError::Failed { errno: Some(Errno::INVAL), said: Vec::new() })
            .and_then(|file| self.backend.domain_dumpcore(dom, &file))
            .map_err(|e| {
                Error::operation(format!("dump the core to {}", path.display()), Some(dom), e)
            })
    }

    /// The same, in pieces of at most 16 MiB that go to `out` in order. It is not flushed. The domain
    /// must stay as long, as for [`Xg::dump_core`].
    ///
    /// # Errors
    /// As [`Xg::dump_core`], and [`Error::Write`] with the error of `out`, after which nothing more is
    /// written.
    ///
    /// # Panics
    /// If `out` does.
    #[doc(alias = "xc_domain_dumpcore_via_callback")]
    pub fn dump_core_to(&self, dom: DomId, out: &mut dyn Write) -> Result<()> {
        let mut failure = None;
        let mut piece = |bytes: &[u8]| match out.write_all(bytes) {
            Ok(()) => true,
            Err(e) => {
                failure = Some(e);
                false
            }
        };
        let done = self.backend.domain_dumpcore_via_callback(dom, &mut piece);
        match failure {
            Some(source) => Err(Error::Write { dom, source }),
            None => done.map_err(|e| Error::operation("dump the core", Some(dom), e)),
        }
    }
}
