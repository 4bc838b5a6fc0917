//! What only HVM and PVH domains have.

use xen_types::DomId;

calls! {
    /// What only HVM and PVH domains have.
    pub trait HvmCalls;

    "xc_hvm_param_get" fn hvm_param_get(&self, dom: DomId, param: u32) -> u64;
    "xc_hvm_param_set" fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> ();
    /// Fills the buffer and returns how many bytes there are; without a buffer only the latter.
    "xc_domain_hvm_getcontext" fn domain_hvm_getcontext(
        &self, dom: DomId, buffer: Option<&mut [u8]>
    ) -> u32;
    /// Fills the buffer with the start of a record, which must not be longer.
    "xc_domain_hvm_getcontext_partial" fn domain_hvm_getcontext_partial(
        &self, dom: DomId, typecode: u16, instance: u16, buffer: &mut [u8]
    ) -> ();
    "xc_domain_hvm_setcontext" fn domain_hvm_setcontext(&self, dom: DomId, context: &[u8]) -> ();
    /// First and last guest frame.
    "xc_domain_pin_memory_cacheattr" fn domain_pin_memory_cacheattr(
        &self, dom: DomId, first: u64, last: u64, attribute: u32
    ) -> ();
}
