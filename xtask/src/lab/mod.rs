//! The lab: a real Xen booted in QEMU, without special hardware and with nothing installed.
//!
//! `images` makes what a machine boots from, `machine` is a booted one, and each other module is
//! one of the commands over them.

mod answered;
pub(crate) mod build;
mod cli;
pub(crate) mod images;
mod keep;
pub(crate) mod machine;
mod once;
mod selftest;
mod test;

pub(crate) use cli::{Command, run, test_everything};
