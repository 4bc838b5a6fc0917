//! The life, identity and time of domains.

use xen_types::DomId;
use xenctrl_sys::{CreateDomain, DomainInfo};

calls! {
    /// The life, identity and time of domains.
    pub trait DomainCalls;

    /// Takes the domain id to ask for and returns the one given.
    "xc_domain_create" fn domain_create(&self, domid: u32, config: &CreateDomain) -> u32;
    "xc_domain_destroy" fn domain_destroy(&self, dom: DomId) -> ();
    "xc_domain_pause" fn domain_pause(&self, dom: DomId) -> ();
    "xc_domain_unpause" fn domain_unpause(&self, dom: DomId) -> ();
    "xc_domain_shutdown" fn domain_shutdown(&self, dom: DomId, reason: i32) -> ();
    /// The existing domains with ids from `first` on, in order, at most `max` of them.
    "xc_domain_getinfolist" fn domain_getinfolist(&self, first: u32, max: u32) -> Vec<DomainInfo>;
    "xc_domain_sethandle" fn domain_sethandle(&self, dom: DomId, handle: [u8; 16]) -> ();
    /// Mode, nanoseconds elapsed, frequency in kHz, incarnation.
    "xc_domain_set_tsc_info" fn domain_set_tsc_info(
        &self, dom: DomId, mode: u32, elapsed: u64, khz: u32, incarnation: u32
    ) -> ();
}
