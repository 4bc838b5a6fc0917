//! Virtual CPUs.

use xen_types::DomId;

use super::{LibXenCtrl, call};
use crate::backend::{CallError, VcpuCalls};

impl VcpuCalls for LibXenCtrl {
    fn domain_max_vcpus(&self, dom: DomId, max: u32) -> Result<(), CallError> {
        call!(self, vcpu.domain_max_vcpus(dom, max)).map(drop)
    }

    fn get_max_cpus(&self) -> Result<u32, CallError> {
        call!(self, vcpu.get_max_cpus())
    }

    fn get_cpumap_size(&self) -> Result<u32, CallError> {
        call!(self, vcpu.get_cpumap_size())
    }
}
