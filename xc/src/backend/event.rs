//! Event channels of other domains.

use xen_types::{DomId, Port};
use xenctrl_sys::PortStatus;

calls! {
    /// Event channels of other domains.
    pub trait EventCalls;

    "xc_evtchn_alloc_unbound" fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Port;
    "xc_evtchn_reset" fn evtchn_reset(&self, dom: DomId) -> ();
    "xc_evtchn_status" fn evtchn_status(&self, dom: DomId, port: Port) -> PortStatus;
}
