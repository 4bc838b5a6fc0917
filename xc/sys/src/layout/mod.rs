//! Structures that cross the library's boundary: one module a subject.
//!
//! The newest layout of each is the one the rest of the program works with; the older ones, in a
//! module per release that introduced them, convert from or to it. Sizes and offsets stand beside
//! the fields; they are what a C compiler reported for the headers of each release.

mod domain;
mod event;
mod host;
mod memory;
mod scheduler;
pub mod v4_15;
pub mod v4_16;
pub mod v4_17;
pub mod v4_19;
mod vcpu;

pub use domain::{ArchDomainConfig, CreateDomain, DomainInfo, NotCarried};
pub use event::PortStatus;
pub use host::{
    CompileInfo, CpuInfo, CpuTopology, CpuVersion, FeatureInfo, NodeMemory, PciDevice, PhysInfo,
    PlatformParameters,
};
pub use memory::{E820Entry, ReservedDeviceMemory, VmemRange};
pub use scheduler::{
    CpuPoolInfo, Credit2Schedule, CreditSchedule, SchedCredit, SchedCredit2, SchedRtds,
    SchedVcpuParam,
};
pub use vcpu::{VcpuContext, VcpuInfo};

use crate::DeclaredLayout;

/// Every structure that is declared.
pub fn declared_layouts() -> impl Iterator<Item = &'static DeclaredLayout> {
    let modules = [
        domain::LAYOUTS,
        event::LAYOUTS,
        host::LAYOUTS,
        host::WITH_ARRAYS,
        memory::LAYOUTS,
        memory::PACKED,
        scheduler::LAYOUTS,
        v4_15::LAYOUTS,
        v4_16::LAYOUTS,
        v4_17::LAYOUTS,
        v4_19::LAYOUTS,
        vcpu::LAYOUTS,
        vcpu::SAME,
    ];
    modules.into_iter().flatten()
}
