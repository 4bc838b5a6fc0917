//! Event-channel ports of other domains. The caller's own are the crate `eventchn`'s.

use xen_types::{DomId, Port};
use xenctrl_sys::{
    EVTCHNSTAT_CLOSED, EVTCHNSTAT_INTERDOMAIN, EVTCHNSTAT_IPI, EVTCHNSTAT_PIRQ, EVTCHNSTAT_UNBOUND,
    EVTCHNSTAT_VIRQ,
};

use crate::backend;
use crate::error::Cause;
use crate::{Error, Pirq, Result, Xc};

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

    /// What port `port` of `dom` is bound to.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a port that it cannot have,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_evtchn_status")]
    pub fn port_status(&self, dom: DomId, port: Port) -> Result<PortStatus> {
        self.backend
            .evtchn_status(dom, port)
            .map(|raw| PortStatus { vcpu: raw.vcpu, binding: PortBinding::of(&raw) })
            .map_err(|e| Error::on(format!("read what port {port} is bound to"), dom, e))
    }

    /// Closes all ports of `dom`, which must be [paused](Xc::pause), as it starts a kernel that knows
    /// nothing of them. Ports that Xen itself bound stay.
    ///
    /// Of the domain that the caller runs in it closes those too on which that domain lives, and
    /// it need not be paused: never use it so.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) if it is not paused,
    /// [`Kind::Busy`](crate::Kind::Busy) while another reset of it goes on,
    /// [`Kind::Again`](crate::Kind::Again) if ports were opened meanwhile.
    #[doc(alias = "xc_evtchn_reset")]
    pub fn reset_ports(&self, dom: DomId) -> Result<()> {
        self.backend.evtchn_reset(dom).map_err(|e| Error::on("close all its ports", dom, e))
    }
}

/// A port of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PortStatus {
    /// What it is bound to.
    pub binding: PortBinding,
    /// The virtual CPU that its events go to.
    pub vcpu: u32,
}

/// What a port is bound to (`EVTCHNSTAT_*`, `xen/include/public/event_channel.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PortBinding {
    /// To nothing: it is free.
    Closed,
    /// To nothing yet; this domain may bind it.
    Unbound(DomId),
    /// To this port of another domain.
    Interdomain(DomId, Port),
    /// To a physical interrupt.
    Pirq(Pirq),
    /// To a virtual interrupt.
    Virq(u32),
    /// To its virtual CPU, for the others.
    Ipi,
    /// To what is not known here.
    Unknown(u32),
}

impl PortBinding {
    fn of(raw: &backend::PortStatus) -> Self {
        let [low, high, ..] = raw.peer.to_le_bytes();
        let remote = DomId::new(u16::from_le_bytes([low, high]));
        match (raw.status, remote) {
            (EVTCHNSTAT_CLOSED, _) => Self::Closed,
            (EVTCHNSTAT_UNBOUND, Some(remote)) => Self::Unbound(remote),
            (EVTCHNSTAT_INTERDOMAIN, Some(remote)) => {
                Self::Interdomain(remote, Port(raw.peer_port))
            }
            (EVTCHNSTAT_PIRQ, _) => Self::Pirq(Pirq(raw.peer)),
            (EVTCHNSTAT_VIRQ, _) => Self::Virq(raw.peer),
            (EVTCHNSTAT_IPI, _) => Self::Ipi,
            (status, _) => Self::Unknown(status),
        }
    }
}
