//! Virtual CPUs.

use xen_types::DomId;

calls! {
    /// Virtual CPUs.
    pub trait VcpuCalls;

    "xc_domain_max_vcpus" fn domain_max_vcpus(&self, dom: DomId, max: u32) -> ();
}
