//! What only HVM and PVH domains have.

use xen_types::DomId;

calls! {
    /// What only HVM and PVH domains have.
    pub trait HvmCalls;

    "xc_hvm_param_get" fn hvm_param_get(&self, dom: DomId, param: u32) -> u64;
    "xc_hvm_param_set" fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> ();
}
