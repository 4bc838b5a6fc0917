//! What `xc` and `eventchn` do on a real Xen, seen through a second observer where there is one, as
//! far as a simulated machine cannot show it too: the rest are facts of `tests/conformance`.

#[path = "../answered/mod.rs"]
mod answered;
#[path = "../dom0/mod.rs"]
mod dom0;
mod support;

mod create;
mod debug;
mod device;
mod dump;
mod flask;
mod handle;
mod host;
mod policy;
mod resume;
mod scheduler;
mod time;
mod vcpu;
