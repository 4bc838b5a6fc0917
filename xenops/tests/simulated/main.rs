//! Whole operations on a simulated machine: what they come to, and what is left when any call of
//! theirs fails.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

mod describe;
mod device_faults;
mod devices;
mod drivers;
mod faults;
mod hotplug;
mod life;
mod misbehaviour;
mod plug;
mod qemu;
mod reuse;
mod saving;
mod saving_faults;
mod site;
mod soak;
mod targets;
