//! The calls, made through the libxenctrl of the running release.
//!
//! What all calls owe to C, and how it is discharged here:
//! - the function pointer has the type of the symbol: the table of `xenctrl_sys` for the release;
//! - the handle is open, of this process and of the same library: [`Interface`] owns both and checks
//!   the process on every [`Interface::as_ptr`], through which [`LibXenCtrl::callable`] goes;
//! - errno belongs to the calling thread and is read right after the call, by [`check`].
//!
//! What a call owes beyond that stands beside it. Structures have the layout that the library uses:
//! nobody has a [`LibXenCtrl`] whose library was not measured by [`check_layouts`].

#![allow(unsafe_code, reason = "calls a C library")]

mod allocated;
mod device;
mod domain;
mod event;
mod flask;
mod host;
mod hvm;
mod memory;
mod scheduler;
mod vcpu;
mod version;

use std::ffi::c_int;
use std::io;
use std::sync::Arc;

use rustix::io::Errno;
use tracing::level_filters::LevelFilter;
use xen_types::DomId;
use xenctrl_sys::{DomainInfo, Functions, Interface, Library, PhysInfo, Release, xc_interface};

use crate::Error;
use crate::backend::{CallError, Hypervisor};
use crate::canary::check_layouts;

/// libxenctrl of one release with an open handle.
#[derive(Debug)]
pub struct LibXenCtrl {
    interface: Interface,
}

/// Makes a call that takes nothing but the handle, numbers, and pointers to single values, which are
/// given as references: `call!(self, domain.domain_pause(7))`. The arguments stand inside an unsafe
/// block when it is expanded, so they must be safe to evaluate.
macro_rules! call {
    ($self:ident, $table:ident.$field:ident ( $($argument:expr),* )) => {{
        let name = concat!("xc_", stringify!($field));
        let (function, handle) = $self.callable(name, $self.functions().$table.$field)?;
        // SAFETY: as at the head of this file; and a pointer must be to one value of the type in the
        // table, to read or write: `raw` makes it of a reference to such a value, which outlives the
        // call. The tables declare what takes several values as a pointer to an array, which no
        // reference here becomes.
        $crate::backend::libxenctrl::check(unsafe {
            function(handle, $($crate::backend::libxenctrl::Argument::raw($argument)),*)
        })
    }};
}
use call;

impl LibXenCtrl {
    /// Opens a handle with `library` and checks that it has the layouts of its profile, as far as
    /// they show: by the size of what it writes.
    ///
    /// # Errors
    /// As [`Xc::open`](crate::Xc::open).
    pub fn open(library: Arc<Library>) -> crate::Result<Self> {
        let fail = |cause| Error::new("open the hypervisor", cause);
        let interface = Interface::open(library).map_err(|e| fail(e.into()))?;
        let opened = Self { interface };
        check_layouts(&opened).map_err(fail)?;
        Ok(opened)
    }

    /// The library in use.
    pub fn library(&self) -> &Library {
        self.interface.library()
    }

    /// How many bytes the library writes for one `xc_domaininfo_t`.
    ///
    /// # Errors
    /// As the call itself.
    pub(crate) fn domain_info_bytes(&self) -> Result<usize, CallError> {
        let function = self.functions().domain.domain_getinfolist;
        let (function, handle) = self.callable("xc_domain_getinfolist", function)?;
        written_bytes(|probe| {
            // SAFETY: the buffer must have room for the one entry asked for: it has four times what
            // the largest known layout takes.
            check(unsafe { function(handle, 0, 1, probe.as_mut_ptr().cast()) })
        })
    }

    /// How many bytes the library writes for one `xc_physinfo_t`.
    ///
    /// # Errors
    /// As the call itself.
    pub(crate) fn phys_info_bytes(&self) -> Result<usize, CallError> {
        let (function, handle) = self.callable("xc_physinfo", self.functions().host.physinfo)?;
        written_bytes(|probe| {
            // SAFETY: the buffer must have room for the structure: four times the largest known.
            check(unsafe { function(handle, probe.as_mut_ptr().cast()) })
        })
    }

    fn functions(&self) -> &Functions {
        self.library().functions()
    }

    /// What a call needs: its pointer, if this release has it, and the handle, in its own process.
    fn callable<F>(
        &self,
        name: &'static str,
        function: Option<F>,
    ) -> Result<(F, *mut xc_interface), CallError> {
        let function = function.ok_or_else(|| self.unsupported(name))?;
        let handle = self.interface.as_ptr().map_err(|_| CallError::UsedAfterFork)?;
        if LevelFilter::current() == LevelFilter::TRACE {
            tell(name);
        }
        Ok((function, handle))
    }

    fn unsupported(&self, call: &'static str) -> CallError {
        CallError::Unsupported { call, xen: self.release() }
    }
}

impl Hypervisor for LibXenCtrl {
    fn release(&self) -> Release {
        self.library().release()
    }
}

/// Tells whoever traces calls. Apart, so that calls that nobody traces stay small.
#[cold]
fn tell(call: &'static str) {
    tracing::trace!(target: "xc::call", call);
}

/// A negative return value means failure with the reason in errno (xenctrl.h), but for some calls that
/// return the reason itself, negated; others are results.
fn check(returned: c_int) -> Result<u32, CallError> {
    u32::try_from(returned).map_err(|_| match returned {
        -4095..-1 => Errno::from_raw_os_error(-returned).into(),
        _ => last_errno().into(),
    })
}

/// Why the call just made failed.
fn last_errno() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// What [`call!`] takes.
trait Argument {
    /// What C is given.
    type Raw;

    fn raw(self) -> Self::Raw;
}

macro_rules! numbers {
    ($($type:ty)*) => {
        $(impl Argument for $type {
            type Raw = Self;

            fn raw(self) -> Self {
                self
            }
        })*
    };
}

numbers!(bool u8 u16 u32 u64 i32 i64);

impl Argument for DomId {
    type Raw = u32;

    fn raw(self) -> u32 {
        self.into()
    }
}

impl<T> Argument for &mut T {
    type Raw = *mut T;

    fn raw(self) -> *mut T {
        self
    }
}

/// How much `write` overwrites: what it leaves alone keeps two different fillings different.
fn written_bytes(
    mut write: impl FnMut(&mut [u8; PROBE_BYTES]) -> Result<u32, CallError>,
) -> Result<usize, CallError> {
    let (mut zeros, mut ones) = ([0x00; PROBE_BYTES], [0xff; PROBE_BYTES]);
    write(&mut zeros)?;
    write(&mut ones)?;
    let same = |&at: &usize| zeros[at] == ones[at];
    Ok((0..PROBE_BYTES).rev().find(same).map_or(0, |last| last + 1))
}

/// More than any release's structure has: the largest known is 112.
const PROBE_BYTES: usize = 512;

const _: () = assert!(4 * size_of::<DomainInfo>() <= PROBE_BYTES);
const _: () = assert!(4 * size_of::<PhysInfo>() <= PROBE_BYTES);
