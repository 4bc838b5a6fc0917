//! Event channels of other domains.

use xen_types::{DomId, Port};

use super::{LibXenCtrl, call};
use crate::backend::{CallError, EventCalls};

impl EventCalls for LibXenCtrl {
    fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Result<Port, CallError> {
        call!(self, event.evtchn_alloc_unbound(dom, remote)).map(Port)
    }
}
