//! What `xc` and `eventchn` do on a real Xen, seen through a second observer where there is one.

#[path = "../answered/mod.rs"]
mod answered;
#[path = "../dom0/mod.rs"]
mod dom0;
mod support;
#[path = "../waiting/mod.rs"]
mod waiting;

mod create;
mod debug;
mod device;
mod domain;
mod dump;
mod event;
mod flask;
mod handle;
mod host;
mod hvm;
mod memory;
mod policy;
mod resume;
mod scheduler;
mod time;
mod vcpu;
