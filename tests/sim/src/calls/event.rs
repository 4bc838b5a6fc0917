//! Event channels of other domains.

use xc::backend::{EventCalls, PortStatus};
use xen_types::{DomId, Port};

use super::{Answer, Handle};

impl EventCalls for Handle {
    fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Answer<Port> {
        self.call("xc_evtchn_alloc_unbound", |xen| xen.alloc_unbound(dom, remote))
    }

    fn evtchn_reset(&self, dom: DomId) -> Answer<()> {
        self.call("xc_evtchn_reset", |xen| xen.reset_ports(dom))
    }

    fn evtchn_status(&self, dom: DomId, port: Port) -> Answer<PortStatus> {
        self.call("xc_evtchn_status", |xen| xen.port_status(dom, port))
    }
}
