//! Virtual CPUs.

use xen_types::DomId;

calls! {
    /// Virtual CPUs.
    pub trait VcpuCalls;

    "xc_domain_max_vcpus" fn domain_max_vcpus(&self, dom: DomId, max: u32) -> ();
    "xc_get_max_cpus" fn get_max_cpus(&self) -> u32;
    /// In bytes.
    "xc_get_cpumap_size" fn get_cpumap_size(&self) -> u32;
}
