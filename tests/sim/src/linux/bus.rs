//! Linux's xenbus on the side of backends (`xenbus_probe_backend.c`, `xenbus_probe.c`), with the
//! drivers blkback and netback (`xen-blkback/xenbus.c`, `xen-netback/xenbus.c`), as of Linux 6.1.
//!
//! ```text
//!  new, state 1 ──probe──▶ InitWait ──frontend's rings, the host's part──▶ Connected
//!                              │ frontend Closing            │ frontend Closing
//!                              ▼                             ▼
//!  gone ◀──frontend Closed and online 0, or vanished──── Closing, Closed
//! ```
//!
//! Consoles, images and folders are not the kernel's: see `qemu.rs`, which does what is different about them.
//!
//! It looks at all its devices whenever something changes in the store: a look finds what the kernel
//! would have been told of.

use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use rustix::fs::makedev;
use xen_types::{Deadline, DomId, Port};
use xs::{Client, Kind, Path, Store as _, View as _};
use xs_server::Running;

use super::{Back, Linux};
use crate::hypervisor::Hypervisor;
use crate::store::{below, event};
use crate::xen::Xen;
use crate::xen::domain::Run;
use crate::xen::ports::Listener;

/// The backends of one domain.
#[derive(Debug)]
pub(crate) struct Bus {
    pub(crate) linux: Arc<Linux>,
    pub(crate) xen: Arc<Hypervisor>,
    pub(crate) whom: Run,
}

/// The devices that the backends of a domain have.
#[derive(Debug, Default)]
pub(crate) struct Devices(BTreeMap<Name, Device>);

/// Which device: kind, domain and number, as the path has them.
pub(super) type Name = [String; 3];

/// A device that a driver has.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) name: Name,
    pub(super) node: Path,
    pub(super) frontend: Path,
    frontend_id: DomId,
    /// What the driver takes its state for.
    pub(super) state: u32,
    pub(super) manners: Back,
    disk: Option<RawFd>,
    pub(super) link: Option<u32>,
    pub(super) port: Option<Port>,
    /// What QEMU takes the frontend's state for, once it has looked.
    pub(super) other: Option<u32>,
}

impl Bus {
    /// Has the drivers look at the store, until the machine is no more.
    pub(crate) fn start(self, store: Weak<Mutex<Option<Running>>>) {
        let run = move || {
            // The clock does not jump while the drivers have something to do.
            self.xen.time.join();
            let mut devices = Devices::default();
            while let Some(running) = store.upgrade() {
                let stream = {
                    let running = running.lock().unwrap_or_else(PoisonError::into_inner);
                    running.as_ref().map(Running::connect)
                };
                drop(running);
                if let Some(Ok(stream)) = stream
                    && let Ok(client) = Client::from_stream(stream)
                {
                    // It ends when the daemon does. What the drivers have they keep.
                    let _ended = self.serve(&client, &mut devices);
                }
                thread::sleep(Duration::from_millis(1));
            }
        };
        thread::Builder::new().name("backends".into()).spawn(run).map(drop).expect("a thread");
    }

    fn serve(&self, store: &Client, devices: &mut Devices) -> xs::Result<()> {
        let mut changes = store.watch(&Path::DOMAINS)?;
        loop {
            changes.wait(Deadline::after(Duration::MAX))?;
            while changes.try_next()?.is_some() {}
            self.look(store, devices)?;
        }
    }

    /// Looks at all devices, and does what their drivers do.
    pub(crate) fn look(&self, store: &Client, devices: &mut Devices) -> xs::Result<()> {
        let Devices(devices) = devices;
        let there = self.there(store)?;
        let gone: Vec<_> = devices.keys().filter(|name| !there.contains(name)).cloned().collect();
        for name in gone {
            if let Some(device) = devices.remove(&name) {
                self.unregister(store, device)?;
            }
        }
        for name in there {
            let mut device = match devices.remove(&name) {
                Some(known) => known,
                None => match self.probe(store, &name)? {
                    Some(new) => new,
                    None => continue,
                },
            };
            match self.serve_device(store, &mut device) {
                Ok(false) => self.unregister(store, device)?,
                kept => {
                    devices.insert(name, device);
                    kept?;
                }
            }
        }
        Ok(())
    }

    /// The longest value that the store takes from this domain.
    fn largest(&self) -> usize {
        if self.whom.dom == DomId::DOM0 { LARGEST } else { LARGEST_OF_GUEST }
    }

    fn home(&self) -> Path {
        Path::domain(self.whom.dom)
    }

    /// The devices that have nodes.
    fn there(&self, store: &Client) -> xs::Result<Vec<Name>> {
        let top = self.home().join("backend");
        let mut found = Vec::new();
        for kind in ["vbd", "vif", CONSOLE, IMAGE, FOLDER] {
            let of_kind = top.join(kind);
            for dom in children(store, &of_kind)? {
                for number in children(store, &below(&of_kind, &dom))? {
                    found.push([kind.to_owned(), dom.clone(), number]);
                }
            }
        }
        // The console daemon has the first console, in which no state moves.
        found.retain(|[kind, _, number]| kind != CONSOLE || number != "0");
        Ok(found)
    }

    /// `xenbus_probe_node`, and the driver's `probe`.
    fn probe(&self, store: &Client, name: &Name) -> xs::Result<Option<Device>> {
        let top = self.home().join("backend");
        let node = name.iter().fold(top, |path, word| below(&path, word));
        let manners = self.linux.lock().manners;
        if state_at(store, &node)? != INITIALISING || manners == Back::Absent {
            return Ok(None);
        }
        let frontend = store.read_str_opt(&node.join("frontend"))?;
        let frontend_id = store.read_str_opt(&node.join("frontend-id"))?;
        let frontend = frontend.and_then(|path| Path::new(&path).ok());
        let frontend_id = frontend_id.and_then(|id| id.parse().ok());
        let (Some(frontend), Some(frontend_id)) = (frontend, frontend_id) else { return Ok(None) };
        let mut device = Device {
            name: name.clone(),
            node,
            frontend,
            frontend_id,
            state: INITIALISING,
            manners,
            disk: None,
            link: None,
            port: None,
            other: None,
        };
        let taken = match device.is_qemus() {
            true => self.realize(store, &mut device)?,
            false => self.offer(store, &mut device).map(|()| true)?,
        };
        if !taken {
            return Ok(None);
        }
        match manners {
            Back::Fails if device.is_qemus() => device.switch(store, CLOSING)?,
            Back::Fails => self.fatal(store, &mut device, "12 xenbus_dev_probe on it")?,
            Back::SkipsStates => device.switch(store, CONNECTED)?,
            Back::WritesNonsense => device.tell(store, &[("state", "four")])?,
            Back::WritesLarge => {
                let long = "x".repeat(self.largest());
                device.tell(
                    store,
                    &[("hotplug-error", &long), ("state", &long), ("nonsense", &long)],
                )?;
            }
            Back::Complains => {
                device.tell(
                    store,
                    &[("hotplug-error", "no such thing"), ("hotplug-status", "error")],
                )?;
                device.switch(store, INIT_WAIT)?;
            }
            Back::LiesAboutFrontend => {
                let lies = [("frontend", "/local/domain/0/device/vbd/1"), ("frontend-id", "0")];
                device.tell(store, &lies)?;
                device.switch(store, INIT_WAIT)?;
            }
            _ => device.switch(store, INIT_WAIT)?,
        }
        if !device.is_qemus() && !device.is_disk() && manners != Back::IsLate {
            self.make_interface(&mut device);
        }
        self.hotplug(store, &device)?;
        if manners == Back::DiesInHandshake {
            self.release(&device);
            return Ok(None);
        }
        Ok(Some(device))
    }

    /// `xen_blkbk_probe`, `netback_probe`, up to the first state.
    fn offer(&self, store: &Client, device: &mut Device) -> xs::Result<()> {
        self.linux.lock().backends.insert(device.bus_id(), None);
        if device.is_disk() {
            return device.tell(store, &DISK_OFFER);
        }
        device.tell(store, &NET_FEATURES)
    }

    /// `backend_create_xenvif`: netback makes its interface when it has said that it took the device.
    fn make_interface(&self, device: &mut Device) {
        device.link = Some(self.linux.lock().links.add_port(&device.interface()));
    }

    /// What the driver does about both ends as they are now; whether it keeps the device.
    fn serve_device(&self, store: &Client, device: &mut Device) -> xs::Result<bool> {
        if device.is_qemus() {
            return self.serve_by_qemu(store, device);
        }
        if device.is_disk() {
            self.open_disk(store, device)?;
        } else if device.link.is_none() {
            let _hold = self.xen.time.hold();
            thread::sleep(LATE);
            self.make_interface(device);
        }
        let other = state_at(store, &device.frontend)?;
        if device.manners == Back::NeverCloses && matches!(other, CLOSING | CLOSED | UNKNOWN) {
            return Ok(true);
        }
        if device.manners == Back::StaysOnline && state_at(store, &device.node)? == CLOSING {
            device.tell(store, &[("online", "1"), ("state", "4")])?;
            return Ok(true);
        }
        match other {
            INITIALISING if device.state == CLOSED => device.switch(store, INIT_WAIT)?,
            INITIALISING | INIT_WAIT | INITIALISED | CONNECTED
                if !matches!(device.state, INIT_WAIT | CLOSED) => {}
            INITIALISED if device.is_disk() => self.connect(store, device)?,
            CONNECTED => self.connect(store, device)?,
            INITIALISING | INIT_WAIT | INITIALISED => {}
            CLOSING => {
                self.disconnect(device);
                device.switch(store, CLOSING)?;
            }
            CLOSED => {
                self.disconnect(device);
                device.switch(store, CLOSED)?;
                return device.is_online(store);
            }
            UNKNOWN => return Ok(false),
            other => {
                let what = format!("22 saw state {other} at frontend");
                self.fatal(store, device, &what)?;
            }
        }
        Ok(true)
    }

    /// `backend_changed` of blkback: the host says which disk it is.
    fn open_disk(&self, store: &Client, device: &mut Device) -> xs::Result<()> {
        let number = store.read_str_opt(&device.node.join("physical-device"))?;
        let (None, Some(number)) = (device.disk, number) else { return Ok(()) };
        let parsed = number.split_once(':').and_then(|(major, minor)| {
            let part = |text| u32::from_str_radix(text, 16).ok();
            Some(makedev(part(major)?, part(minor)?))
        });
        let Some(disk) = parsed else { return Ok(()) };
        let opened = {
            let mut linux = self.linux.lock();
            let opened = linux.blocks.open_device(disk, &device.bus_id());
            if opened.is_ok() {
                linux.backends.insert(device.bus_id(), Some(number));
            }
            opened
        };
        match opened {
            Ok(user) => device.disk = Some(user),
            Err(_) if device.state >= CLOSING => {}
            Err(errno) => {
                let what = format!("{} creating vbd structure", errno.raw_os_error());
                self.fatal(store, device, &what)?;
            }
        }
        Ok(())
    }

    /// `connect_ring` and what follows: the frontend has said where its rings are.
    fn connect(&self, store: &Client, device: &mut Device) -> xs::Result<()> {
        if device.port.is_none() {
            let port = store.read_str_opt(&device.frontend.join("event-channel"))?;
            let ring = store.read_opt(&device.frontend.join(device.ring()))?;
            let port: Option<u32> = port.and_then(|port| port.parse().ok());
            let (Some(port), Some(_)) = (port, ring) else {
                return self.fatal(store, device, "2 reading ring-ref and event-channel");
            };
            if !self.bind(device, Port(port)) {
                return self.fatal(store, device, "22 mapping ring-ref");
            }
        }
        if device.is_disk() {
            if device.disk.is_some() {
                device.tell(store, &DISK_FACTS)?;
                self.connected(store, device)?;
            }
            return Ok(());
        }
        // Only the script's word counts (`hotplug_status_changed`).
        let said = store.read_opt(&device.node.join("hotplug-status"))?;
        if said.as_deref() == Some(b"connected") {
            self.connected(store, device)?;
        }
        Ok(())
    }

    /// Binds the frontend's port; whether it could.
    pub(super) fn bind(&self, device: &mut Device, port: Port) -> bool {
        let Ok(bell) = event() else { return false };
        let theirs = (device.frontend_id, port);
        let listener = Listener::Bell(Arc::new(bell));
        let dom = self.whom.dom;
        let bound = |xen: &mut Xen| xen.bind_interdomain(dom, theirs, listener).ok();
        device.port = self.xen.call_by(self.whom, bound).flatten();
        device.port.is_some()
    }

    /// Connected at last, unless it does not want to be.
    pub(super) fn connected(&self, store: &Client, device: &mut Device) -> xs::Result<()> {
        device.switch(store, CONNECTED)?;
        if device.manners == Back::ClosesByItself {
            self.disconnect(device);
            device.switch(store, CLOSING)?;
        }
        Ok(())
    }

    pub(super) fn disconnect(&self, device: &mut Device) {
        if let Some(port) = device.port.take() {
            let close = |xen: &mut Xen| xen.close_port(self.whom.dom, port).unwrap_or_default();
            self.xen.call_by(self.whom, close).unwrap_or_default();
        }
    }

    /// `xenbus_dev_fatal`: says what failed, and closes.
    fn fatal(&self, store: &Client, device: &mut Device, what: &str) -> xs::Result<()> {
        let errors = self.home().join("error").join("backend");
        let node = device.name.iter().fold(errors, |path, word| below(&path, word));
        store.write(&node.join("error"), what)?;
        device.switch(store, CLOSING)
    }

    /// `device_unregister`: the driver's `remove`, then the last word of xenbus.
    fn unregister(&self, store: &Client, mut device: Device) -> xs::Result<()> {
        self.disconnect(&mut device);
        if device.is_qemus() {
            self.release(&device);
            return self.unrealize(store, &device);
        }
        let told = match state_at(store, &device.node)? {
            CLOSING => device.switch(store, CLOSED),
            _ => Ok(()),
        };
        self.release(&device);
        self.unplug(store, &device)?;
        told
    }

    /// Gives back what the device has on the host.
    fn release(&self, device: &Device) {
        let mut linux = self.linux.lock();
        linux.backends.remove(&device.bus_id());
        linux.of_qemus.remove(&device.bus_id());
        device.disk.into_iter().for_each(|disk| linux.blocks.close(disk));
        device.link.into_iter().for_each(|link| linux.links.remove(link));
    }
}

impl Device {
    pub(super) fn is_disk(&self) -> bool {
        self.name[0] == "vbd"
    }

    pub(super) fn is_qemus(&self) -> bool {
        matches!(&*self.name[0], CONSOLE | IMAGE | FOLDER)
    }

    /// The key under which the frontend says where its ring is.
    fn ring(&self) -> &'static str {
        if self.is_disk() { "ring-ref" } else { "tx-ring-ref" }
    }

    /// `backend_bus_id`
    pub(super) fn bus_id(&self) -> String {
        self.name.join("-")
    }

    pub(super) fn interface(&self) -> String {
        format!("vif{}.{}", self.name[1], self.name[2])
    }

    pub(super) fn is_online(&self, store: &Client) -> xs::Result<bool> {
        Ok(store.read_opt(&self.node.join("online"))?.as_deref() == Some(b"1"))
    }

    /// Writes keys, if the device is still there.
    pub(super) fn tell(&self, store: &Client, words: &[(&str, &str)]) -> xs::Result<()> {
        let there = self.node.join("state");
        let told = store.transaction(|tx| {
            if tx.read_opt(&there)?.is_some() {
                for (key, value) in words {
                    tx.write(&below(&self.node, key), value)?;
                }
            }
            Ok(())
        });
        unless_lost(told)
    }

    /// `xenbus_switch_state`
    pub(super) fn switch(&mut self, store: &Client, state: u32) -> xs::Result<()> {
        if self.state == state {
            return Ok(());
        }
        self.state = state;
        self.tell(store, &[("state", &state.to_string())])
    }
}

/// A store that refuses something does not end a driver.
pub(super) fn unless_lost(told: xs::Result<()>) -> xs::Result<()> {
    match told {
        Err(error) if error.kind() == Kind::Unavailable => Err(error),
        _ => Ok(()),
    }
}

fn children(store: &Client, folder: &Path) -> xs::Result<Vec<String>> {
    match store.directory(folder) {
        Err(error) if error.kind() == Kind::NotFound => Ok(Vec::new()),
        names => Ok(names?.into_iter().map(|name| name.to_string()).collect()),
    }
}

/// `xenbus_read_driver_state`: what is no number says nothing.
pub(crate) fn state_at(store: &Client, folder: &Path) -> xs::Result<u32> {
    let value = store.read_str_opt(&folder.join("state"));
    Ok(match value {
        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
        value => {
            value.ok().flatten().and_then(|state| state.trim().parse().ok()).unwrap_or(UNKNOWN)
        }
    })
}

// enum xenbus_state, io/xenbus.h
pub(crate) const UNKNOWN: u32 = 0;
pub(crate) const INITIALISING: u32 = 1;
pub(crate) const INIT_WAIT: u32 = 2;
pub(crate) const INITIALISED: u32 = 3;
pub(crate) const CONNECTED: u32 = 4;
pub(crate) const CLOSING: u32 = 5;
pub(crate) const CLOSED: u32 = 6;

pub(super) const CONSOLE: &str = "console";
const IMAGE: &str = "qdisk";
pub(super) const FOLDER: &str = "9pfs";

/// The longest value of a node (`XENSTORE_PAYLOAD_MAX` with a path beside it).
const LARGEST: usize = 3900;

/// The same of a domain with quotas.
const LARGEST_OF_GUEST: usize = 1900;

/// How long one that is late takes.
const LATE: Duration = Duration::from_millis(20);

/// `xen_blkbk_probe`.
const DISK_OFFER: [(&str, &str); 2] = [("max-ring-page-order", "4"), ("feature-persistent", "1")];

/// `connect` of blkback.
const DISK_FACTS: [(&str, &str); 6] = [
    ("feature-flush-cache", "1"),
    ("feature-discard", "0"),
    ("feature-barrier", "1"),
    ("sectors", "2048"),
    ("info", "0"),
    ("sector-size", "512"),
];

/// `netback_probe`.
const NET_FEATURES: [(&str, &str); 8] = [
    ("feature-sg", "1"),
    ("feature-gso-tcpv4", "1"),
    ("feature-gso-tcpv6", "1"),
    ("feature-ipv6-csum-offload", "1"),
    ("feature-rx-copy", "1"),
    ("feature-rx-flip", "0"),
    ("feature-split-event-channels", "0"),
    ("multi-queue-max-queues", "1"),
];
