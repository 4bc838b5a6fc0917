//! A network interface that a guest has: its rate, its MTU, its cable.

use devices::{DeviceId, Kind, Rate, Record, Vif, port};
use xen_types::DomId;

use super::check_handled;
use super::held::Held;
use crate::error::{Cause, Error, Problem, Result};
use crate::host::Host;
use crate::hotplug::{self, link};
use crate::limits::Limits;

/// Whether there is a cable in a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// There is none: no packet goes either way.
    Off,
    /// There is one.
    On,
}

impl Host {
    /// Sets how much a guest may send through an interface, or takes the limit away. netback goes by it
    /// at once.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if there is no such interface, [`crate::Kind::Invalid`] for another
    /// device, [`crate::Kind::Unavailable`] for one of a driver domain.
    pub fn set_rate(&self, port: &DeviceId, rate: Option<Rate>, limits: &Limits) -> Result<()> {
        self.on_port("set the rate of", port, limits, |host, record| {
            Ok(host.store.transaction(|tx| port::set_rate(tx, record.ends(), rate))?)
        })
    }

    /// Sets how large a packet may be, 68 to 65535 bytes: in the control domain at once, and the guest
    /// is told. Linux's frontend does not look there: in such a guest it is set by hand besides
    /// (`ip link set`).
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] outside that range; otherwise as for [`Host::set_rate`].
    pub fn set_mtu(&self, port: &DeviceId, mtu: u32, limits: &Limits) -> Result<()> {
        self.on_port("set the MTU of", port, limits, |host, record| {
            // Checked where it is described.
            Vif::new(port.number, devices::Mac::of_xen([0; 3])).mtu(mtu)?;
            link::set_mtu(host.system()?, &hotplug::port_name(record), mtu, limits.deadline)?;
            Ok(host.store.transaction(|tx| port::set_mtu(tx, record.ends(), mtu))?)
        })
    }

    /// Pulls the cable out of an interface, or puts it in again.
    ///
    /// The control domain's end goes down, so that nothing goes through whatever the guest thinks of it,
    /// and the guest is told. Linux's frontend does not look there, and shows a carrier all the time.
    ///
    /// # Errors
    /// As for [`Host::set_rate`].
    pub fn set_carrier(&self, port: &DeviceId, carrier: Carrier, limits: &Limits) -> Result<()> {
        self.on_port("set the carrier of", port, limits, |host, record| {
            let on = carrier == Carrier::On;
            link::set_up(host.system()?, &hotplug::port_name(record), on, limits.deadline)?;
            Ok(host.store.transaction(|tx| port::set_carrier(tx, record.ends(), on))?)
        })
    }

    fn on_port(
        &self,
        what: &'static str,
        port: &DeviceId,
        limits: &Limits,
        then: impl FnOnce(&Self, &Record) -> Result<(), Cause>,
    ) -> Result<()> {
        let fail = |cause: Cause| Error::new(what, port.clone(), cause);
        if !matches!(port.kind, Kind::Vif | Kind::Vwif) {
            return Err(fail(Problem::NotA("network interface").into()));
        }
        let Held { host, record, .. } = &self.hold(port, limits).map_err(fail)?;
        check_handled(record)
            .and_then(|()| match record.ends().server {
                DomId::DOM0 => host.system().map(drop),
                // Its port is in another domain.
                server => Err(Problem::OtherServer(server)),
            })
            .map_err(|problem| fail(problem.into()))?;
        then(host, record).map_err(fail)
    }
}
