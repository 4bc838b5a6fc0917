//! The host and its hypervisor.

use xenctrl_sys::PhysInfo;

calls! {
    /// The host and its hypervisor.
    pub trait HostCalls;

    /// `xc_version(XENVER_version)`: `major << 16 | minor`.
    "xc_version" fn version(&self) -> u32;
    /// `xc_version(XENVER_extraversion)`: the bytes before the first NUL.
    "xc_version" fn extra_version(&self) -> Vec<u8>;
    "xc_physinfo" fn physinfo(&self) -> PhysInfo;
}
