//! Hardware that domains are given.

use xen_types::DomId;

calls! {
    /// Hardware that domains are given.
    pub trait DeviceCalls;

    "xc_domain_ioport_permission" fn domain_ioport_permission(
        &self, dom: DomId, first: u32, count: u32, allow: bool
    ) -> ();
}
