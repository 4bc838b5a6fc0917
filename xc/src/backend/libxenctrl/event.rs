//! Event channels of other domains.

use xen_types::{DomId, Port};
use xenctrl_sys::PortStatus;

use super::{LibXenCtrl, call};
use crate::backend::{CallError, EventCalls};

impl EventCalls for LibXenCtrl {
    fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Result<Port, CallError> {
        call!(self, event.evtchn_alloc_unbound(dom, remote)).map(Port)
    }

    fn evtchn_reset(&self, dom: DomId) -> Result<(), CallError> {
        call!(self, event.evtchn_reset(dom)).map(drop)
    }

    fn evtchn_status(&self, dom: DomId, port: Port) -> Result<PortStatus, CallError> {
        let mut status = PortStatus { dom: dom.raw(), port: port.0, ..PortStatus::default() };
        call!(self, event.evtchn_status(&mut status))?;
        Ok(status)
    }
}
