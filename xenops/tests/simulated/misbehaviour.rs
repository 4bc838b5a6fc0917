//! Guests and backends that do not do what they should, one way at a time: what comes of an
//! attachment, a detachment, one by force and the end of the domain.

mod backends;
mod changes;
mod consoles;
pub(crate) mod elsewhere;
mod guests;
mod media;

use std::time::Duration;

use devices::{Ends, Spec};
use xen_sim::{Front, Snapshot};
use xen_types::DomId;
use xenops::device::{DeviceId, Sighting};
use xenops::{AttachOptions, DetachOptions, GuestKind, Host, Hotplug, Limits, Result};

use crate::devices::site;
use crate::site::{Site, is_up, long, until};

const TAKEN: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: false };
const CONNECTED: AttachOptions = AttachOptions { hotplug: Hotplug::Native, connected: true };

/// The time that an operation has.
const SHORT: Duration = Duration::from_secs(1);

/// Longer than the script of a device has then: ten seconds by itself, fifty with its domain.
const SLOW: Duration = Duration::from_secs(90);

/// How much later it may end, by the machine's clock: what it undoes has a time of its own, 50 s for a
/// device and 10 s for its nodes, of which the clock jumps over three quarters before a second look.
const SLACK: Duration = Duration::from_secs(60);

/// A guest on a machine with drivers.
struct Case {
    site: Site,
    host: Host,
    dom: DomId,
    empty: Snapshot,
    before: Snapshot,
}

impl Case {
    fn with(front: Front) -> Self {
        let site = site();
        let host = site.driving(&site.machine.process());
        Self::on(site, host, front)
    }

    fn on(site: Site, host: Host, front: Front) -> Self {
        Self::of(GuestKind::Pvh, site, host, front)
    }

    fn of(kind: GuestKind, site: Site, host: Host, front: Front) -> Self {
        let empty = site.machine.snapshot().unwrap();
        let dom = site.create(&host, kind, front.word()).unwrap();
        is_up(&host, dom);
        let before = site.machine.snapshot().unwrap();
        Self { site, host, dom, empty, before }
    }

    fn seen(&self, ends: &Ends) -> Sighting {
        Sighting::read(self.host.store(), ends).unwrap()
    }

    /// A device that the backend has taken, once that is true of it.
    fn attached(&self, spec: &impl Spec, and: impl Fn(&Self, &Ends) -> bool) -> DeviceId {
        let device = self.host.attach(self.dom, spec, TAKEN, &long(&self.host)).unwrap();
        until("it misbehaves", || and(self, &spec.ends(self.dom)));
        device
    }

    fn attach(&self, spec: &impl Spec, options: AttachOptions) -> String {
        self.in_time(|limits| self.host.attach(self.dom, spec, options, limits).map(drop))
    }

    fn detach(&self, device: &DeviceId, force: bool) -> String {
        self.in_time(|limits| self.host.detach(device, DetachOptions { force }, limits))
    }

    /// An end closes a device by itself, before the attachment has seen all that it waits for or after: either
    /// it fails, or the device is there and is detached. Nothing is left.
    fn closes(&self, spec: &impl Spec) {
        for force in [false, true] {
            match self.host.attach(self.dom, spec, TAKEN, &long(&self.host)) {
                Ok(device) => assert_eq!(self.detach(&device, force), "ok"),
                Err(error) => assert!(error.leftovers().is_empty(), "{error:?}"),
            }
            self.before.assert_unchanged(&self.site.machine);
        }
    }

    /// Destroys the domain, after which the machine is as it was before there was one.
    fn destroy(self) {
        self.host.destroy(self.dom, &long(&self.host)).unwrap();
        self.empty.assert_unchanged(&self.site.machine);
    }

    /// What comes of an operation that has a short time: `ok`, or the kind and the cause of its error.
    fn in_time(&self, operation: impl FnOnce(&Limits) -> Result<()>) -> String {
        let clock = self.host.store().clock();
        let start = clock.now();
        let done = operation(&self.host.limits(SHORT));
        let took = clock.now() - start;
        assert!(took < SHORT + SLACK, "it took {took:?}");
        done.map_or_else(
            |error| {
                assert!(error.leftovers().is_empty(), "{:?}", error.leftovers());
                format!("{:?}: {}", error.kind(), error.cause())
            },
            |()| "ok".to_owned(),
        )
    }
}
