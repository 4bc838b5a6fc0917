//! Virtual CPUs.

use rustix::io::Errno;
use xc::backend::{VcpuCalls, VcpuContext, VcpuInfo};
use xen_types::DomId;

use super::{Answer, Handle};

impl VcpuCalls for Handle {
    fn domain_max_vcpus(&self, dom: DomId, max: u32) -> Answer<()> {
        self.call("xc_domain_max_vcpus", |xen| xen.create_vcpus(dom, max))
    }

    fn vcpu_getinfo(&self, dom: DomId, vcpu: u32) -> Answer<VcpuInfo> {
        self.call("xc_vcpu_getinfo", |xen| xen.vcpu_info(dom, vcpu))
    }

    fn domain_get_cpu_usage(&self, dom: DomId, vcpu: i32) -> Answer<u64> {
        self.call("xc_domain_get_cpu_usage", |xen| {
            Ok(xen.vcpu_info(dom, vcpu.unsigned_abs())?.cpu_time)
        })
    }

    fn vcpu_getcontext(&self, dom: DomId, vcpu: u32) -> Answer<Box<VcpuContext>> {
        // Guests' code does not run here, so that one which was started has no registers to tell.
        self.call("xc_vcpu_getcontext", |xen| match xen.vcpu_info(dom, vcpu)?.online {
            0 => Err(Errno::NODATA),
            _ => Err(Errno::NOSYS),
        })
    }

    fn vcpu_getaffinity(&self, dom: DomId, vcpu: i32, flags: u32) -> Answer<(Vec<u8>, Vec<u8>)> {
        self.call("xc_vcpu_getaffinity", |xen| xen.affinity(dom, vcpu.unsigned_abs(), flags))
    }

    fn vcpu_setaffinity(
        &self,
        dom: DomId,
        vcpu: i32,
        hard: &[u8],
        soft: &[u8],
        flags: u32,
    ) -> Answer<(Vec<u8>, Vec<u8>)> {
        self.call("xc_vcpu_setaffinity", |xen| {
            let size = xen.cpumap_size();
            if hard.len() > size || soft.len() > size {
                return Err(Errno::RANGE); // a processor that the host cannot have
            }
            xen.set_affinity(dom, vcpu.unsigned_abs(), (hard, soft), flags)
        })
    }

    fn get_max_cpus(&self) -> Answer<u32> {
        self.ask("xc_get_max_cpus", |xen| xen.cpus)
    }

    fn get_cpumap_size(&self) -> Answer<u32> {
        self.ask("xc_get_cpumap_size", |xen| u32::try_from(xen.cpumap_size()).unwrap_or(u32::MAX))
    }
}
