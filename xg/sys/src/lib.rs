//! Our own declarations of libxenguest's domain builder, and the way to load it at run time.
//!
//! libxenguest works on handles of libxenctrl and must be of the same release, so one [`Library`]
//! holds both; neither is ever unloaded. [`Interface`] is an open handle, [`messages_of`] tells what
//! the library said during a call, and [`ImageLayout`] says where the fields that we use stand in
//! `struct xc_dom_image`, which is otherwise opaque here. [`observe_progress`] tells how far a call is.
//!
//! ```
//! use xenguest_sys::{ImageField, ImageLayout, Release};
//!
//! let layout = ImageLayout::of(Release::new(4, 17)).ok_or("not measured")?;
//! assert_eq!(layout.slot(ImageField::XenstorePfn).offset(), 392);
//! assert!(ImageLayout::of(Release::new(4, 14)).is_none());
//! # Ok::<(), &str>(())
//! ```
//!
//! What it does not do: check arguments, turn return values into errors, cover calls that the safe
//! crate `xg` does not use. The declarations cover x86-64 Linux, where they were measured.

#![allow(unsafe_code, reason = "declares and loads a C library")]

mod constants;
mod functions;
mod image;
mod interface;
mod layout;
mod library;
mod logger;
mod progress;

pub use constants::*;
pub use functions::{Functions, xc_cpu_policy_t, xc_dom_image};
pub use image::{ImageField, ImageLayout, Slot};
pub use interface::Interface;
pub use layout::{
    Callback, PrecopyPolicy, PrecopyStats, RestoreCallbacks, RestoreResults, SaveCallbacks,
    StaticDataDone, SwitchLogDirty,
};
pub use layout::{CpuidLeaf, MsrEntry, XEN_CPUID_NO_SUBLEAF, declared_layouts};
pub use library::{Library, LoadError};
pub use logger::{Messages, clear_errno, messages_of};
pub use progress::{Progress, observe_progress};
pub use xenctrl_sys::{
    DomainInfo, E820Entry, Library as CtrlLibrary, OpenError, Release, UsedAfterFork,
    XEN_DOMINF_HVM_GUEST, dumpcore_rtn_t, xc_interface,
};
