//! The life, identity and time of domains.

use xen_types::{DomId, Port};
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
    "xc_domain_set_target" fn domain_set_target(&self, dom: DomId, target: DomId) -> ();
    "xc_domain_soft_reset" fn domain_soft_reset(&self, dom: DomId) -> ();
    "xc_domain_subscribe_for_suspend" fn domain_subscribe_for_suspend(
        &self, dom: DomId, port: Port
    ) -> ();
    "xc_domain_set_virq_handler" fn domain_set_virq_handler(&self, dom: DomId, virq: i32) -> ();
    /// In bytes.
    "xc_domain_get_guest_width" fn domain_get_guest_width(&self, dom: DomId) -> u32;
    "xc_domain_set_access_required" fn domain_set_access_required(
        &self, dom: DomId, required: bool
    ) -> ();
    "xc_domain_setdebugging" fn domain_setdebugging(&self, dom: DomId, enable: bool) -> ();
    "xc_domain_debug_control" fn domain_debug_control(
        &self, dom: DomId, operation: u32, vcpu: u32
    ) -> ();
    "xc_domain_send_trigger" fn domain_send_trigger(
        &self, dom: DomId, trigger: u32, vcpu: u32
    ) -> ();
    /// In seconds.
    "xc_domain_set_time_offset" fn domain_set_time_offset(&self, dom: DomId, offset: i32) -> ();
    /// In seconds; returns the number of a watchdog that is started.
    "xc_watchdog" fn watchdog(&self, id: u32, timeout: u32) -> u32;
    /// Mode, nanoseconds elapsed, frequency in kHz, incarnation.
    "xc_domain_get_tsc_info" fn domain_get_tsc_info(&self, dom: DomId) -> (u32, u64, u32, u32);
    /// Mode, nanoseconds elapsed, frequency in kHz, incarnation.
    "xc_domain_set_tsc_info" fn domain_set_tsc_info(
        &self, dom: DomId, mode: u32, elapsed: u64, khz: u32, incarnation: u32
    ) -> ();
}
