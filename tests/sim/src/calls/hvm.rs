//! What only HVM and PVH domains have.

use xc::backend::HvmCalls;
use xen_types::DomId;

use super::{Answer, Handle};

impl HvmCalls for Handle {
    fn hvm_param_get(&self, dom: DomId, param: u32) -> Answer<u64> {
        self.call("xc_hvm_param_get", |xen| xen.hvm_param(dom, param))
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Answer<()> {
        self.call("xc_hvm_param_set", |xen| xen.set_hvm_param(dom, param, value))
    }
}
