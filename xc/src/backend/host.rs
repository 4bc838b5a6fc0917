//! The host and its hypervisor.

use std::ffi::CStr;

use xenctrl_sys::{CompileInfo, CpuTopology, CpuVersion, NodeMemory, PciDevice, PhysInfo};

calls! {
    /// The host and its hypervisor. Texts are the bytes before the first NUL.
    pub trait HostCalls;

    /// `xc_version(XENVER_version)`: `major << 16 | minor`.
    "xc_version" fn version(&self) -> u32;
    /// `xc_version(XENVER_extraversion)`: at most 15 bytes.
    "xc_version" fn extra_version(&self) -> Vec<u8>;
    /// `xc_version(XENVER_compile_info)`.
    "xc_version" fn version_compile_info(&self) -> CompileInfo;
    /// `xc_version(XENVER_capabilities)`: at most 1023 bytes.
    "xc_version" fn version_capabilities(&self) -> Vec<u8>;
    /// `xc_version(XENVER_changeset)`: at most 63 bytes.
    "xc_version" fn version_changeset(&self) -> Vec<u8>;
    /// `xc_version(XENVER_platform_parameters)`.
    "xc_version" fn version_platform_parameters(&self) -> u64;
    /// `xc_version(XENVER_get_features)`, the first and only 32.
    "xc_version" fn version_features(&self) -> u32;
    /// `xc_version(XENVER_pagesize)`.
    "xc_version" fn version_pagesize(&self) -> u32;
    /// `xc_version(XENVER_guest_handle)`.
    "xc_version" fn version_guest_handle(&self) -> [u8; 16];
    /// `xc_version(XENVER_commandline)`: at most 1023 bytes.
    "xc_version" fn version_commandline(&self) -> Vec<u8>;
    /// `xc_version(XENVER_build_id)`: into so much room.
    "xc_version" fn version_build_id(&self, room: u32) -> Vec<u8>;
    "xc_xenver_extraversion" fn xenver_extraversion(&self) -> Vec<u8>;
    "xc_xenver_capabilities" fn xenver_capabilities(&self) -> Vec<u8>;
    "xc_xenver_changeset" fn xenver_changeset(&self) -> Vec<u8>;
    "xc_xenver_commandline" fn xenver_commandline(&self) -> Vec<u8>;

    "xc_physinfo" fn physinfo(&self) -> PhysInfo;
    "xc_get_online_cpus" fn get_online_cpus(&self) -> u32;
    "xc_get_max_nodes" fn get_max_nodes(&self) -> u32;
    /// At most `max` entries, the first for processor 0.
    "xc_cputopoinfo" fn cputopoinfo(&self, max: u32) -> Vec<CpuTopology>;
    /// At most `max` nodes, and their distances row by row.
    "xc_numainfo" fn numainfo(&self, max: u32) -> (Vec<NodeMemory>, Vec<u32>);
    /// The node of each device.
    "xc_pcitopoinfo" fn pcitopoinfo(&self, devices: &[PciDevice]) -> Vec<u32>;
    /// At most `max` entries in nanoseconds, the first for processor 0.
    "xc_getcpuinfo" fn getcpuinfo(&self, max: u32) -> Vec<u64>;
    "xc_get_cpu_version" fn get_cpu_version(&self, cpu: u32) -> CpuVersion;

    /// Fills the buffer from the ring; how much of it, and the index after that.
    "xc_readconsolering"
    fn readconsolering(&self, buffer: &mut [u8], clear: bool, from: Option<u32>) -> (usize, u32);
    "xc_send_debug_keys" fn send_debug_keys(&self, keys: &CStr) -> ();
}
