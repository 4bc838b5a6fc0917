//! Event-channel ports of other domains. The caller's own are the crate `eventchn`'s.

use xen_types::{DomId, Port};

use crate::error::Cause;
use crate::{Error, Result, Xc};

impl Xc {
    /// Allocates a port in `dom` that only `remote` may bind.
    ///
    /// Refused as long as `dom` has no virtual CPUs ([`Xc::set_max_vcpus`]): an event sent to such a
    /// domain brings the whole host down. Observed on 4.17 and 4.20, a fatal page fault in
    /// `evtchn_2l_set_pending` (`xen/common/event_2l.c`).
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it has no virtual CPUs,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if all its ports are taken.
    #[doc(alias = "xc_evtchn_alloc_unbound")]
    pub fn alloc_unbound_port(&self, dom: DomId, remote: DomId) -> Result<Port> {
        let fail = |cause| Error::on(format!("allocate a port for domain {remote}"), dom, cause);
        if self.info(dom)?.max_vcpu_id.is_none() {
            return Err(fail(Cause::NoVcpus));
        }
        self.backend.evtchn_alloc_unbound(dom, remote).map_err(|e| fail(e.into()))
    }
}
