//! Event channels: the ports of each domain, and who hears of their events.
//!
//! ```text
//!   Free ──alloc──▶ Unbound ──bind──▶ Interdomain ──the other end closes──▶ Unbound
//!    ▲  ╲──bind virq──▶ Virq                 │
//!    └──────────────── close ◀───────────────┘
//! ```
//!
//! The rules are those of `xen/common/event_channel.c`; between a port of domain 0 and a program
//! stands Linux's driver (`drivers/xen/evtchn.c`), which masks a port when it has told of an event.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::io::Errno;
use xc::backend::PortStatus;
use xen_types::{DomId, Port};
use xenctrl_sys::{EVTCHNSTAT_CLOSED, EVTCHNSTAT_INTERDOMAIN, EVTCHNSTAT_UNBOUND, EVTCHNSTAT_VIRQ};

use super::{Outcome, Xen};
use crate::evtchn::Queue;

/// The ports of a domain.
#[derive(Debug)]
pub(crate) struct Ports {
    /// By number. As many as there are buckets for, of 64 ports each.
    channels: Vec<Channel>,
    highest: u32,
}

/// One port.
#[derive(Debug, Default)]
struct Channel {
    binding: Binding,
    /// An event came and nobody was told.
    pending: bool,
    masked: bool,
    listener: Option<Listener>,
}

/// What a port is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Binding {
    #[default]
    Free,
    /// Port 0, which nobody gets.
    Reserved,
    Unbound(DomId),
    Interdomain(DomId, Port),
    Virq(u32),
}

/// Who is told of events.
#[derive(Debug, Clone)]
pub(crate) enum Listener {
    /// An open event-channel device of domain 0.
    Device(Arc<Queue>),
    /// A kernel, or a part of one: an eventfd.
    Bell(Arc<OwnedFd>),
}

/// `EVTCHNS_PER_BUCKET` of x86-64 (`xen/include/xen/sched.h`).
const BUCKET: usize = 64;

impl Ports {
    pub(crate) fn new(highest: u32) -> Self {
        let mut ports = Self { channels: Vec::new(), highest };
        ports.channels.resize_with(BUCKET, Channel::default);
        ports.channels[0].binding = Binding::Reserved;
        ports
    }

    /// The lowest free port.
    fn free(&mut self) -> Outcome<Port> {
        let free = self.channels.iter().position(|channel| channel.binding == Binding::Free);
        let number = free.unwrap_or(self.channels.len());
        let port = u32::try_from(number).map_err(|_| Errno::NOSPC)?;
        if port > self.highest {
            return Err(Errno::NOSPC);
        }
        if free.is_none() {
            self.channels.resize_with(number + BUCKET, Channel::default);
        }
        Ok(Port(port))
    }

    fn channel(&mut self, port: Port) -> Option<&mut Channel> {
        self.channels.get_mut(usize::try_from(port.0).ok()?)
    }

    /// What a port is bound to; `None` for one that cannot be.
    pub(crate) fn binding(&self, port: Port) -> Option<Binding> {
        let number = usize::try_from(port.0).ok()?;
        self.channels.get(number).map(|channel| channel.binding)
    }

    fn set(&mut self, port: Port, binding: Binding) {
        if let Some(channel) = self.channel(port) {
            channel.binding = binding;
        }
    }

    /// All that are bound to something.
    pub(crate) fn bound(&self) -> impl Iterator<Item = (Port, Binding)> + '_ {
        let numbered = (0..).map(Port).zip(self.channels.iter().map(|channel| channel.binding));
        numbered.filter(|(_, binding)| !matches!(binding, Binding::Free | Binding::Reserved))
    }
}

impl Xen {
    /// `EVTCHNOP_alloc_unbound`.
    pub(crate) fn alloc_unbound(&mut self, dom: DomId, remote: DomId) -> Outcome<Port> {
        let domain = self.dom(dom)?;
        if domain.dead {
            return Err(Errno::INVAL);
        }
        let port = domain.ports.free()?;
        domain.ports.set(port, Binding::Unbound(remote));
        Ok(port)
    }

    /// `EVTCHNOP_bind_interdomain` of domain `local`. The new port has an event at once.
    pub(crate) fn bind_interdomain(
        &mut self,
        local: DomId,
        (remote, remote_port): (DomId, Port),
        listener: Listener,
    ) -> Outcome<Port> {
        self.dom(remote)?;
        let port = self.dom(local)?.ports.free()?;
        let there = &mut self.dom(remote)?.ports;
        if there.binding(remote_port) != Some(Binding::Unbound(local)) {
            return Err(Errno::INVAL);
        }
        there.set(remote_port, Binding::Interdomain(local, port));
        let here = &mut self.dom(local)?.ports;
        here.set(port, Binding::Interdomain(remote, remote_port));
        self.listen(local, port, listener);
        self.raise(local, port);
        Ok(port)
    }

    /// `EVTCHNOP_bind_virq` of domain 0. Each interrupt has one port there.
    pub(crate) fn bind_virq(&mut self, virq: u32, listener: Listener) -> Outcome<Port> {
        if virq >= NR_VIRQS {
            return Err(Errno::INVAL);
        }
        let ports = &mut self.dom(DomId::DOM0)?.ports;
        if ports.bound().any(|(_, binding)| binding == Binding::Virq(virq)) {
            return Err(Errno::EXIST);
        }
        let port = ports.free()?;
        ports.set(port, Binding::Virq(virq));
        self.listen(DomId::DOM0, port, listener);
        Ok(port)
    }

    /// Has a port's events told to somebody.
    pub(crate) fn listen(&mut self, dom: DomId, port: Port, listener: Listener) {
        let Ok(domain) = self.dom(dom) else { return };
        let Some(channel) = domain.ports.channel(port) else { return };
        channel.listener = Some(listener);
        channel.masked = false;
        if std::mem::take(&mut channel.pending) {
            channel.tell(port);
        }
    }

    /// `EVTCHNOP_close`. The other end is then unbound, for this domain alone.
    pub(crate) fn close_port(&mut self, dom: DomId, port: Port) -> Outcome<()> {
        let ports = &mut self.dom(dom)?.ports;
        let channel = ports.channel(port).ok_or(Errno::INVAL)?;
        let binding = channel.binding;
        if matches!(binding, Binding::Free | Binding::Reserved) {
            return Err(Errno::INVAL);
        }
        *channel = Channel::default();
        if let Binding::Interdomain(remote, remote_port) = binding
            && let Ok(other) = self.dom(remote)
        {
            other.ports.set(remote_port, Binding::Unbound(dom));
        }
        Ok(())
    }

    /// Wakes whoever waits for events of a domain's ports: it is no more.
    pub(super) fn wake(&mut self, dom: DomId) {
        let Ok(domain) = self.dom(dom) else { return };
        for (port, channel) in (0..).map(Port).zip(&mut domain.ports.channels) {
            channel.tell(port);
        }
    }

    /// Closes all ports of a domain.
    pub(crate) fn close_ports(&mut self, dom: DomId) -> Outcome<()> {
        let bound: Vec<Port> = self.dom(dom)?.ports.bound().map(|(port, _)| port).collect();
        bound.into_iter().try_for_each(|port| self.close_port(dom, port))
    }

    /// `EVTCHNOP_send`: an event for the other end. An unbound port has none, which is no error.
    pub(crate) fn send(&mut self, dom: DomId, port: Port) -> Outcome<()> {
        match self.dom(dom)?.ports.binding(port) {
            Some(Binding::Interdomain(remote, remote_port)) => {
                self.raise(remote, remote_port);
                Ok(())
            }
            Some(Binding::Unbound(_)) => Ok(()),
            _ => Err(Errno::INVAL),
        }
    }

    /// An event on a port.
    fn raise(&mut self, dom: DomId, port: Port) {
        if let Ok(domain) = self.dom(dom)
            && let Some(channel) = domain.ports.channel(port)
        {
            channel.raise(port);
        }
    }

    /// `send_global_virq`: to the domain that has it, domain 0 unless another was named.
    pub(crate) fn raise_virq(&mut self, virq: u32) {
        let handler = self.virq_handlers.get(&virq).copied().unwrap_or(DomId::DOM0);
        let Ok(domain) = self.dom(handler) else { return };
        let port = domain.ports.bound().find(|(_, binding)| *binding == Binding::Virq(virq));
        if let Some((port, _)) = port {
            self.raise(handler, port);
        }
    }

    /// Lets a port of domain 0 tell of events again.
    pub(crate) fn unmask(&mut self, port: Port) {
        let Ok(domain) = self.dom(DomId::DOM0) else { return };
        let Some(channel) = domain.ports.channel(port) else { return };
        channel.masked = false;
        if std::mem::take(&mut channel.pending) {
            channel.raise(port);
        }
    }

    /// `EVTCHNOP_status`.
    pub(crate) fn port_status(&mut self, dom: DomId, port: Port) -> Outcome<PortStatus> {
        let binding = self.dom(dom)?.ports.binding(port).ok_or(Errno::INVAL)?;
        let (status, peer, peer_port) = match binding {
            Binding::Free | Binding::Reserved => (EVTCHNSTAT_CLOSED, 0, 0),
            Binding::Unbound(remote) => (EVTCHNSTAT_UNBOUND, remote.into(), 0),
            Binding::Interdomain(remote, port) => (EVTCHNSTAT_INTERDOMAIN, remote.into(), port.0),
            Binding::Virq(virq) => (EVTCHNSTAT_VIRQ, virq, 0),
        };
        let dom = dom.raw();
        Ok(PortStatus { dom, port: port.0, status, peer, peer_port, ..PortStatus::default() })
    }

    /// `XEN_DOMCTL_set_virq_handler`.
    pub(crate) fn set_virq_handler(&mut self, dom: DomId, virq: u32) -> Outcome<()> {
        let domain = self.dom(dom)?;
        if virq >= NR_VIRQS || OF_VCPUS.contains(&virq) || domain.dead {
            return Err(Errno::INVAL);
        }
        self.virq_handlers.insert(virq, dom);
        Ok(())
    }
}

impl Channel {
    fn raise(&mut self, port: Port) {
        match self.listener {
            None => self.pending = true,
            Some(Listener::Device(_)) if self.masked => self.pending = true,
            Some(_) => self.tell(port),
        }
    }

    fn tell(&mut self, port: Port) {
        match &self.listener {
            None => {}
            Some(Listener::Device(queue)) => {
                self.masked = true;
                queue.push(port);
            }
            Some(Listener::Bell(bell)) => {
                // It fails only if the counter is full: then it rings already.
                rustix::io::write(bell, &1_u64.to_ne_bytes()).map(drop).unwrap_or_default();
            }
        }
    }
}

/// `NR_VIRQS` (`xen/include/public/xen.h`).
const NR_VIRQS: u32 = 24;
/// Timer, debug, xenoprof and xenpmu (`virq_is_global`, `xen/common/event_channel.c`).
const OF_VCPUS: [u32; 4] = [0, 1, 7, 13];
/// A domain has shut down or died.
pub(crate) const VIRQ_DOM_EXC: u32 = eventchn::Virq::DOM_EXC.0;
