//! Event channels of other domains.

use xen_types::{DomId, Port};

calls! {
    /// Event channels of other domains.
    pub trait EventCalls;

    "xc_evtchn_alloc_unbound" fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Port;
}
