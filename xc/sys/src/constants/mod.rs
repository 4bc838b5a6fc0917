//! Numbers of Xen's public headers that calls declared here take or return: one module a subject.
//!
//! Values are the same in every release from 4.15 to 4.22 unless noted.

mod device;
mod domain;
mod event;
mod host;
mod hvm;
mod memory;
mod scheduler;
mod vcpu;

pub use device::*;
pub use domain::*;
pub use event::*;
pub use host::*;
pub use hvm::*;
pub use memory::*;
pub use scheduler::*;
pub use vcpu::*;

use crate::DeclaredConstant;

/// Every constant that is declared.
#[allow(unused_qualifications, reason = "each module has a list of that name")]
pub fn declared_constants() -> impl Iterator<Item = &'static DeclaredConstant> {
    let modules = [
        device::CONSTANTS,
        domain::CONSTANTS,
        event::CONSTANTS,
        host::CONSTANTS,
        hvm::CONSTANTS,
        memory::CONSTANTS,
        scheduler::CONSTANTS,
        vcpu::CONSTANTS,
    ];
    modules.into_iter().flatten()
}
