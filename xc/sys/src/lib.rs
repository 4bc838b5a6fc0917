//! Our own declarations of libxenctrl, per Xen release, and the way to load it at run time.
//!
//! libxenctrl's interface changes with every Xen release and the file name says which one it is
//! (`libxenctrl.so.4.17`). So nothing is linked: [`Release::running`] asks the hypervisor,
//! [`Library::load`] opens the one library that fits, [`Profile`] says which structure layouts that
//! release uses, and [`Interface`] is an open handle.
//!
//! ```no_run
//! use xenctrl_sys::{Interface, Library, Release};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let library = Library::load(Release::running()?)?;
//! let interface = Interface::open(library.into())?;
//! println!("{} is open", interface.library().path().display());
//! # Ok(())
//! # }
//! ```
//!
//! [`shared`] is about something else that needs `unsafe`: the kernel's devices for memory shared with
//! other domains, which need no library.
//!
//! What it does not do: check arguments, turn return values into errors, cover calls that the safe
//! crate `xc` does not use. The declarations cover x86-64 Linux, where they were measured.

#![allow(unsafe_code, reason = "declares and loads a C library")]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_pointer_width = "64")))]
compile_error!("the layouts of libxenctrl in this crate were measured on x86-64 Linux only");

mod constants;
mod declared;
mod functions;
mod interface;
mod layout;
mod library;
mod logger;
mod privcmd;
mod process;
mod profile;
mod release;
pub mod shared;

pub use constants::*;
#[doc(hidden)]
pub use declared::{DeclaredConstant, DeclaredFunction, DeclaredLayout, MachineType};
pub use functions::{
    DeviceFunctions, DomainFunctions, DumpFunctions, EventFunctions, FlaskFunctions, Functions,
    HandleFunctions, HostFunctions, HvmFunctions, MemoryFunctions, SchedulerFunctions,
    VcpuFunctions, dumpcore_rtn_t, xc_interface,
};
pub use interface::{Interface, OpenError, UsedAfterFork};
pub use layout::*;
pub use library::{Library, LoadError, open_for_good};
pub use logger::{VaList, logger, xentoollog_logger};
pub use profile::{CreateDomainLayout, DomainInfoLayout, PhysInfoLayout, Profile};
pub use release::{DetectError, Release};

/// The minor numbers of the oldest and the newest release with a profile.
#[doc(hidden)]
pub const ALL_MINORS: (u16, u16) = (Profile::OLDEST.minor, Profile::NEWEST.minor);
