//! Virtual CPUs.

use xen_types::DomId;
use xenctrl_sys::{VcpuContext, VcpuInfo};

calls! {
    /// Virtual CPUs.
    pub trait VcpuCalls;

    "xc_domain_max_vcpus" fn domain_max_vcpus(&self, dom: DomId, max: u32) -> ();
    /// Only 16 bits of the virtual CPU's number count.
    "xc_vcpu_getinfo" fn vcpu_getinfo(&self, dom: DomId, vcpu: u32) -> VcpuInfo;
    /// In nanoseconds. Only 16 bits of the virtual CPU's number count.
    "xc_domain_get_cpu_usage" fn domain_get_cpu_usage(&self, dom: DomId, vcpu: i32) -> u64;
    /// Only 16 bits of the virtual CPU's number count.
    "xc_vcpu_getcontext" fn vcpu_getcontext(&self, dom: DomId, vcpu: u32) -> Box<VcpuContext>;
    "xc_vcpu_setcontext" fn vcpu_setcontext(
        &self, dom: DomId, vcpu: u32, context: &VcpuContext
    ) -> ();
    /// The hard and the soft bitmap, of [`get_cpumap_size`](VcpuCalls::get_cpumap_size) bytes each;
    /// zero what is not asked for.
    "xc_vcpu_getaffinity" fn vcpu_getaffinity(
        &self, dom: DomId, vcpu: i32, flags: u32
    ) -> (Vec<u8>, Vec<u8>);
    /// Takes a hard and a soft bitmap, which may be shorter than the host's; returns the two, of which
    /// those that were set have changed to what they come to.
    "xc_vcpu_setaffinity" fn vcpu_setaffinity(
        &self, dom: DomId, vcpu: i32, hard: &[u8], soft: &[u8], flags: u32
    ) -> (Vec<u8>, Vec<u8>);
    "xc_get_max_cpus" fn get_max_cpus(&self) -> u32;
    /// In bytes.
    "xc_get_cpumap_size" fn get_cpumap_size(&self) -> u32;
}
