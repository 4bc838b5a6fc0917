//! A guest's frontends: Linux's blkfront, netfront and hvc (`xen-blkfront.c`, `xen-netfront.c`,
//! `hvc_xen.c`), as far as the store shows them, and the ways in which a guest may misbehave.
//!
//! ```text
//!  backend InitWait ──rings, port──▶ Initialised (disk) ──backend Connected──▶ Connected
//!                               └──▶ Connected (interface)
//!  nodes there ──ring, port──▶ Initialised (console) ──backend Connected──▶ Connected
//!  backend Closing or Closed ──▶ Closed
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use xen_types::Port;
use xs::{Client, Kind, Path, Store as _, View as _};

use crate::hypervisor::Hypervisor;
use crate::linux::bus::{
    CLOSED, CLOSING, CONNECTED, INIT_WAIT, INITIALISED, INITIALISING, state_at,
};
use crate::store::below;
use crate::xen::domain::Run;

/// How the frontends of a guest behave: as Linux's do, or in one way that a toolstack has to stand.
/// A word of the guest's command line chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Front {
    /// As Linux's blkfront, netfront and hvc.
    #[default]
    Sound,
    /// The guest has no such driver.
    Absent,
    /// The guest crashes when it has said where its rings are.
    DiesInHandshake,
    /// It says `Connected` without having said where its rings are.
    SkipsStates,
    /// It closes as soon as it is connected.
    ClosesByItself,
    /// Asked to close, it does not.
    Clings,
    /// Once it is connected its state is no number.
    WritesNonsense,
    /// Once it is connected its state is a number that means nothing.
    WritesUnknown,
    /// Once it is connected it says that another domain serves it, at another path.
    LiesAboutBackend,
    /// Once it is connected it makes nodes until the store takes no more.
    FillsQuota,
    /// Once it is connected its nodes and their names are as long as the store takes them.
    WritesLarge,
    /// Once it is connected it removes its own end.
    Removes,
    /// It takes a device that comes again for the one that it had, every other time, as Linux may that looks
    /// only whether there is a node (`xenbus_dev_changed`).
    Misses,
}

impl Front {
    /// The word of the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sound => "front-sound",
            Self::Absent => "front-absent",
            Self::DiesInHandshake => "front-dies",
            Self::SkipsStates => "front-skips",
            Self::ClosesByItself => "front-closes",
            Self::Clings => "front-clings",
            Self::WritesNonsense => "front-nonsense",
            Self::WritesUnknown => "front-unknown",
            Self::LiesAboutBackend => "front-lies",
            Self::FillsQuota => "front-fills",
            Self::WritesLarge => "front-large",
            Self::Removes => "front-removes",
            Self::Misses => "front-misses",
        }
    }

    pub(crate) fn of(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|front| front.word().as_bytes() == word)
    }

    const ALL: [Self; 13] = [
        Self::Sound,
        Self::Absent,
        Self::DiesInHandshake,
        Self::SkipsStates,
        Self::ClosesByItself,
        Self::Clings,
        Self::WritesNonsense,
        Self::WritesUnknown,
        Self::LiesAboutBackend,
        Self::FillsQuota,
        Self::WritesLarge,
        Self::Removes,
        Self::Misses,
    ];
}

/// The frontends of a guest.
pub(crate) struct Fronts<'a> {
    pub(crate) xen: &'a Arc<Hypervisor>,
    pub(crate) whom: Run,
    pub(crate) store: &'a Client,
    pub(crate) manners: Front,
    /// Whether it is no PV guest.
    pub(crate) hvm: bool,
    pub(crate) devices: BTreeMap<Path, Device>,
}

/// What the driver has of a device.
#[derive(Debug)]
pub(crate) struct Device {
    kind: Driver,
    state: u32,
    port: Option<Port>,
    /// It has misbehaved, once.
    done: bool,
    /// The driver does not want it.
    refused: bool,
    /// It has come again, and the guest did not see it.
    missed: bool,
}

/// Which driver has a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driver {
    Disk,
    Interface,
    Console,
}

impl Driver {
    /// With the folder of its devices.
    const ALL: [(Path, Self); 3] = [
        (Path::from_static("device/vbd"), Self::Disk),
        (Path::from_static("device/vif"), Self::Interface),
        (Path::from_static("device/console"), Self::Console),
    ];

    /// The keys of its rings, and that of its port.
    const fn keys(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Disk => (&["ring-ref"], "event-channel"),
            Self::Interface => (&["tx-ring-ref", "rx-ring-ref"], "event-channel"),
            Self::Console => (&["ring-ref"], "port"),
        }
    }

    /// Whether it says where its rings are once the backend is so far. hvc does not ask.
    const fn begins(self, backend: u32) -> bool {
        match self {
            Self::Disk | Self::Interface => backend == INIT_WAIT,
            Self::Console => !matches!(backend, CLOSING | CLOSED),
        }
    }
}

/// The guest is no more.
pub(crate) struct Crashed;

impl Fronts<'_> {
    /// Looks at all devices, and does what its drivers do.
    pub(crate) fn look(&mut self) -> xs::Result<Option<Crashed>> {
        if self.manners == Front::Absent {
            return Ok(None);
        }
        let mut there = Vec::new();
        for (folder, kind) in Driver::ALL {
            for number in self.children(&folder)? {
                there.push((below(&folder, &number), kind));
            }
        }
        let gone: Vec<_> = self.devices.keys().cloned().collect();
        for node in gone.into_iter().filter(|node| !there.iter().any(|(path, _)| path == node)) {
            if let Some(mut device) = self.devices.remove(&node) {
                self.close_port(&mut device);
                if self.manners == Front::Misses {
                    self.devices.insert(node, device);
                }
            }
        }
        for (node, kind) in there {
            let shown = state_at(self.store, &node)?;
            let mut known = self.devices.remove(&node);
            let other = |known: &&mut Device| shown == INITIALISING && known.state != INITIALISING;
            let again = known.as_mut().filter(other);
            let is_new = again.is_some_and(|known| !self.misses(&node, known));
            let mut device = match known {
                Some(known) if !is_new => known,
                known if shown == INITIALISING => {
                    known.into_iter().for_each(|mut old| self.close_port(&mut old));
                    let (port, refused) = (None, self.refuses(&node, kind));
                    Device { kind, state: INITIALISING, port, done: false, refused, missed: false }
                }
                _ => continue,
            };
            let crashed = self.follow(&node, &mut device);
            self.devices.insert(node, device);
            match crashed {
                Ok(None) => {}
                Ok(crashed) => return Ok(crashed),
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                // It has gone meanwhile, or the store takes no more.
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// `blkfront_probe` leaves drives to the device model, in PVH guests too; xenbus tells, and the state stays
    /// as it is (`xenbus_dev_probe`).
    fn refuses(&self, node: &Path, kind: Driver) -> bool {
        let medium = self.store.read_opt(&node.join("device-type")).ok().flatten();
        let refused = self.hvm
            && kind == Driver::Disk
            && medium.is_some_and(|medium| medium.starts_with(b"cdrom"));
        if refused {
            let error = Path::from_static("error");
            let error = node.as_str().split('/').fold(error, |path, word| below(&path, word));
            let words = format!("19 xenbus_dev_probe on {node}");
            self.store.write(&error.join("error"), &words).unwrap_or_default();
        }
        refused
    }

    /// Whether a device that came again is taken for the one that there was. A node tells the times apart in
    /// which it came.
    fn misses(&self, node: &Path, known: &mut Device) -> bool {
        let mark = node.join("missed");
        if self.manners != Front::Misses {
            return false;
        }
        if known.missed {
            return self.store.read_opt(&mark).is_ok_and(|there| there.is_some());
        }
        known.missed = true;
        self.store.write(&mark, "").is_ok()
    }

    /// `blkback_changed`, `netback_changed`; `xencons_probe`, `xencons_backend_changed`.
    fn follow(&mut self, node: &Path, device: &mut Device) -> xs::Result<Option<Crashed>> {
        if device.refused {
            return Ok(None);
        }
        let Some(backend) = self.store.read_str_opt(&node.join("backend"))? else {
            return Ok(None);
        };
        let Ok(backend) = Path::new(&backend) else { return Ok(None) };
        let other = state_at(self.store, &backend)?;
        match (other, device.state) {
            (other, INITIALISING)
                if self.manners == Front::SkipsStates && device.kind.begins(other) =>
            {
                self.switch(node, device, CONNECTED)?;
            }
            (other, INITIALISING) if device.kind.begins(other) => {
                self.set_up(node, device)?;
                let ready = if device.kind == Driver::Interface { CONNECTED } else { INITIALISED };
                self.switch(node, device, ready)?;
                if self.manners == Front::DiesInHandshake {
                    return Ok(Some(Crashed));
                }
            }
            (CONNECTED, INITIALISED) => self.switch(node, device, CONNECTED)?,
            (CLOSING | CLOSED, INITIALISING..=CLOSING) if self.manners != Front::Clings => {
                self.close_port(device);
                self.switch(node, device, CLOSED)?;
            }
            _ => {}
        }
        if other == CONNECTED && device.state == CONNECTED && !device.done {
            device.done = true;
            self.misbehave(node, device)?;
        }
        Ok(None)
    }

    /// `talk_to_blkback`, `talk_to_netback`, `xencons_connect_backend`.
    fn set_up(&self, node: &Path, device: &mut Device) -> xs::Result<()> {
        let dom = self.whom.dom;
        let server = self.store.read_str_opt(&node.join("backend-id"))?;
        let Some(Ok(server)) = server.map(|id| id.parse()) else { return Ok(()) };
        let port = self.xen.call_by(self.whom, |xen| xen.alloc_unbound(dom, server));
        let Some(Ok(port)) = port else { return Ok(()) };
        device.port = Some(port);
        let (rings, event_channel) = device.kind.keys();
        let told = self.store.transaction(|tx| {
            for ring in rings {
                tx.write(&below(node, ring), "8")?;
            }
            tx.write(&node.join(event_channel), port.0.to_string())?;
            match device.kind {
                Driver::Console => Ok(()),
                _ => tx.write(&node.join("protocol"), "x86_64-abi"),
            }
        });
        if told.is_err() {
            self.close_port(device);
        }
        told
    }

    fn misbehave(&mut self, node: &Path, device: &mut Device) -> xs::Result<()> {
        let state = node.join("state");
        match self.manners {
            Front::ClosesByItself => {
                self.switch(node, device, CLOSING)?;
                self.close_port(device);
                self.switch(node, device, CLOSED)
            }
            Front::WritesNonsense => self.store.write(&state, "four"),
            Front::WritesUnknown => self.store.write(&state, "99"),
            Front::LiesAboutBackend => {
                self.store.write(&node.join("backend-id"), "0")?;
                self.store.write(&node.join("backend"), "/local/domain/0/backend/vbd/0/1")
            }
            // A folder takes no more than its own size allows; all of them no more than the quota.
            Front::FillsQuota => (0_u32..).try_for_each(|number| {
                let folder = node.join("filler").join(number / 100);
                self.store.write(&folder.join(number % 100), "")
            }),
            Front::WritesLarge => {
                let long = "x".repeat(LONGEST_NAME);
                self.store.write(&below(node, &long), &long)?;
                let long = "x".repeat(LARGEST);
                self.store.write(&node.join("event-channel"), &long)?;
                self.store.write(&node.join("feature-x"), &long)
            }
            Front::Removes => {
                self.close_port(device);
                self.store.rm(node)
            }
            _ => Ok(()),
        }
    }

    /// `xenbus_switch_state`
    fn switch(&self, node: &Path, device: &mut Device, state: u32) -> xs::Result<()> {
        device.state = state;
        let at = node.join("state");
        self.store.transaction(|tx| match tx.read_opt(&at)? {
            Some(_) => tx.write(&at, state.to_string()),
            None => Ok(()),
        })
    }

    fn close_port(&self, device: &mut Device) {
        let Some(port) = device.port.take() else { return };
        self.xen
            .call_by(self.whom, |xen| xen.close_port(self.whom.dom, port))
            .map(drop)
            .unwrap_or_default();
    }

    fn children(&self, folder: &Path) -> xs::Result<Vec<String>> {
        match self.store.directory(folder) {
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            names => Ok(names.unwrap_or_default().into_iter().map(|n| n.to_string()).collect()),
        }
    }
}

/// Of a node's name beside its path, and of a value.
const LONGEST_NAME: usize = 200;
const LARGEST: usize = 1900;
