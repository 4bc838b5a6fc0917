//! Who does the host's part of a device: opens its disk, connects its network interface.
//!
//! | policy | attach | detach |
//! |---|---|---|
//! | [`Hotplug::Native`] | loop devices by ioctl, bridges by rtnetlink | the kernel has done it |
//! | [`Hotplug::Scripts`] | `/etc/xen/scripts/*` add, online | the same scripts: remove, offline |
//! | [`Hotplug::Udev`] | udev's rules run scripts; waited for | the same |
//!
//! What another domain serves is that domain's business, whatever the policy: it runs scripts of its own, as
//! with `xl devd`, and is waited for as udev's are.
//!
//! A device is taken away by the policy that it was attached with: the record says which. One without
//! that word is libxl's, which runs scripts.

mod image;
mod kernel;
pub(crate) mod link;
mod linux;
mod loops;
mod native;
pub(crate) mod qemu;
mod scripts;
pub mod system;

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use devices::{Ends, Kind, Plug, Record, Setback, Sighting, XenbusState, plug, unplug};
use xen_types::DomId;
use xs::Client;

use self::image::Image;
pub(crate) use self::linux::Linux;
use self::scripts::{Action, Script};
use self::system::System;
use crate::error::{Cause, Problem};
use crate::host::Host;
use crate::limits::{Finishing, Limits};
use crate::lock::Lock;

/// Who does the host's part of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Hotplug {
    /// This library, by system calls.
    #[default]
    Native,
    /// The hotplug scripts of Xen's tools, run by this library as libxl runs them.
    Scripts,
    /// Scripts that udev runs when the kernel announces the device, as on OpenXT. Rules for them are in
    /// this crate's folder `udev`.
    Udev,
}

/// What is ready on the host before the nodes of a device are written.
#[derive(Debug, Default)]
pub(crate) struct Ready {
    /// What the backend has besides the nodes of every such device.
    pub(crate) nodes: Vec<(&'static str, String)>,
    /// A disk.
    image: Option<Image>,
    /// What keeps a block device ours until the store says so.
    lock: Option<Lock>,
}

impl Ready {
    /// The nodes of the device are written.
    pub(crate) fn written(&mut self) {
        self.lock = None;
    }
}

impl Hotplug {
    /// The word for it on a command line and in a device's record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Scripts => "scripts",
            Self::Udev => "udev",
        }
    }

    /// The policy for a device, of which only the control domain's are ours to choose it for.
    pub(crate) fn for_ends(self, ends: &Ends) -> Self {
        if ends.server == DomId::DOM0 { self } else { Self::Udev }
    }

    /// The policy that a device was attached with.
    pub(crate) fn of(record: &Record) -> Result<Self, Cause> {
        if record.ends().server != DomId::DOM0 {
            return Ok(Self::Udev);
        }
        match field(record, Self::KEY) {
            None => Ok(Self::Scripts),
            Some(word) => word.parse().map_err(|UnknownHotplug| {
                let path = record.ends().record().to_string();
                Problem::Malformed { path, value: word.to_owned() }.into()
            }),
        }
    }

    /// The key of the record that has the word.
    pub(crate) const KEY: &'static str = "hotplug";

    /// Makes ready what a device needs before its nodes are written.
    pub(crate) fn prepare(
        self,
        host: &Host,
        record: &Record,
        limits: &Limits,
    ) -> Result<Ready, Cause> {
        match self {
            _ if record.ends().served_as.is_qemus() => qemu::prepare(host, record, limits),
            _ if is_empty_drive(record) => self.takes_media().map(|()| Ready::default()),
            Self::Native => native::prepare(host, record, limits),
            Self::Scripts | Self::Udev => {
                filter_works(host, record, limits)?;
                Ok(Ready::default())
            }
        }
    }

    /// Does the host's part of a device whose backend has taken it.
    pub(crate) fn connect(
        self,
        host: &Host,
        record: &Record,
        ready: &Ready,
        limits: &Limits,
    ) -> Result<(), Cause> {
        match self {
            // QEMU has done it all when it has taken the device.
            _ if record.ends().served_as.is_qemus() => Ok(()),
            _ if is_empty_drive(record) => Ok(()),
            Self::Native => native::connect(host, record, ready, limits),
            Self::Udev => {
                let keep_on = || !limits.cancel.requested();
                Ok(plug::await_hotplug(&host.store, record.ends(), limits.deadline, keep_on)?)
            }
            Self::Scripts => {
                if record.ends().served_as == Kind::Vif {
                    kernel::await_interface(host, record.ends(), limits)?;
                }
                let ran = script(record, Action::Add).and_then(|script| match script {
                    Some(script) => script.run(host.system()?, limits),
                    None => Ok(()),
                });
                // What it wrote says more than what it printed; its time may be over.
                match last_look(host, record.ends()).map(|last| (last.plug(), last)) {
                    Ok((Plug::Failed(Some(why)), last)) => {
                        Err(Setback::Failed { why, last: Box::new(last) }.into())
                    }
                    Ok((_, last)) if last.hotplug_status.as_deref() == Some(BUSY) => {
                        let why = "the script found it in use".to_owned();
                        Err(Setback::Failed { why, last: Box::new(last) }.into())
                    }
                    Ok(_) => ran,
                    Err(error) => ran.and(Err(error.into())),
                }
            }
        }
    }

    /// Takes back what [`Hotplug::connect`] did, once the backend has let go of the device.
    pub(crate) fn release(
        self,
        host: &Host,
        record: &Record,
        step: &Finishing,
    ) -> Result<(), Cause> {
        match self {
            _ if record.ends().served_as.is_qemus() => Ok(()),
            // A loop device cleared itself when the backend closed it; an interface has gone.
            Self::Native => Ok(()),
            Self::Udev => {
                let soon = host.store.clock().after(TAKEN_BACK);
                Ok(unplug::await_taken_back(&host.store, record.ends(), soon, || true)?)
            }
            Self::Scripts if is_empty_drive(record) => Ok(()),
            Self::Scripts => match script(record, Action::Remove)? {
                Some(script) => script.finish(host.system()?, step),
                None => Ok(()),
            },
        }
    }

    /// Whether a drive with this policy can be empty and filled.
    pub(crate) fn takes_media(self) -> Result<(), Cause> {
        match self {
            Self::Native | Self::Scripts => Ok(()),
            // It does when a device comes, and a medium is none.
            Self::Udev => Err(Problem::NoMedia.into()),
        }
    }
}

/// Whether nothing is in a drive of the kernel's backend: there is no host's part then.
pub(crate) fn is_empty_drive(record: &Record) -> bool {
    record.ends().served_as == Kind::Vbd && field(record, "params").is_none()
}

/// What a network interface is called in the control domain.
pub(crate) fn port_name(record: &Record) -> String {
    field(record, "vifname").map_or_else(|| scripts::interface(record.ends()), str::to_owned)
}

/// What both ends show when the time of an operation may be over.
fn last_look(host: &Host, ends: &Ends) -> xs::Result<Sighting> {
    let limits = host.limits(LAST_LOOK);
    Sighting::read(&host.within(&limits).store, ends)
}

/// Whether nobody is left who could let go of a device.
pub(crate) fn has_let_go(host: &Host, record: &Record) -> bool {
    let ends = record.ends();
    let gone = |system| kernel::has_let_go(system, ends);
    ends.server == DomId::DOM0 && !ends.served_as.is_qemus() && host.system().is_ok_and(gone)
}

/// What tells that another domain has let go of a device where its state does not: what scripts said there,
/// and take back once the driver has let go. A driver's last state can cross the request to close, and it
/// goes without another one when the frontend vanishes or has no state (`xenbus_dev_remove`, Linux 6.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Elsewhere {
    /// Scripts do the host's part there: not for what a QEMU serves.
    scripted: bool,
    /// Whether there was a host's part, or there is none any more.
    had_part: bool,
}

impl Elsewhere {
    /// Before anything is asked.
    pub(crate) fn of(store: &Client, ends: &Ends) -> xs::Result<Self> {
        if ends.server == DomId::DOM0 || ends.served_as.is_qemus() {
            return Ok(Self { scripted: false, had_part: false });
        }
        let seen = Sighting::read(store, ends)?;
        // What is connected had the host's part. Where the guest's end has vanished, the driver goes, and has
        // gone if there is none.
        let connected = seen.backend == Some(XenbusState::Connected);
        let had_part = connected || seen.hotplug_status.as_deref() == Some(CONNECTED);
        Ok(Self { scripted: true, had_part: had_part || seen.frontend.is_none() })
    }

    /// Whether the scripts have taken back what they did, or what is connected has nothing of theirs.
    pub(crate) fn has_let_go(self, store: &Client, ends: &Ends) -> bool {
        let gone = |seen: Sighting| {
            let connected = seen.backend == Some(XenbusState::Connected);
            seen.hotplug_status.is_none() && (self.had_part || connected)
        };
        self.scripted && Sighting::read(store, ends).is_ok_and(gone)
    }
}

/// Waits until the kernel's backend holds nothing of a device.
pub(crate) fn await_released(host: &Host, record: &Record, limits: &Limits) -> Result<(), Cause> {
    match record.ends().server {
        // The kernel shows a device for each backend in the store, whoever serves it.
        _ if record.ends().served_as.is_qemus() => Ok(()),
        DomId::DOM0 => kernel::await_released(host, record.ends(), limits),
        _ => Ok(()),
    }
}

/// The script that the record names, which only toolstacks write, if there is one for such a device.
fn script(record: &Record, action: Action) -> Result<Option<Script>, Cause> {
    let Some(path) = field(record, "script") else { return Ok(None) };
    if !scripts::is_script(path) {
        let record = record.ends().record().to_string();
        return Err(Problem::Malformed { path: record, value: path.to_owned() }.into());
    }
    Ok(Script::of(path, record.ends(), action))
}

/// The scripts of Xen connect an interface without its filter where iptables does not work
/// (`handle_iptable`, `vif-common.sh`).
fn filter_works(host: &Host, record: &Record, limits: &Limits) -> Result<(), Cause> {
    let ends = record.ends();
    let ours = ends.server == DomId::DOM0 && ends.served_as == Kind::Vif;
    if !ours || field(record, "ip").is_none() {
        return Ok(());
    }
    lists(host.system()?, Path::new("iptables"), limits)
}

/// Whether this iptables can list its rules. It waits for others who change them (`-w`).
fn lists(system: &dyn System, iptables: &Path, limits: &Limits) -> Result<(), Cause> {
    match Script::plain(iptables, vec!["-w", "-L", "-n"]).run(system, limits) {
        Err(Cause::Problem(Problem::TimedOut { last, .. })) => {
            Err(Problem::TimedOut { what: "iptables to list its rules", last }.into())
        }
        Err(Cause::Problem(Problem::Script { .. }) | Cause::File { .. }) => {
            Err(Problem::NoFilter.into())
        }
        listed => listed,
    }
}

/// The text of a key of a record; `None` if it is missing, empty or no text.
pub(crate) fn field<'a>(record: &'a Record, key: &str) -> Option<&'a str> {
    let value = record.fields().get(key)?;
    str::from_utf8(value).ok().filter(|text| !text.is_empty())
}

impl fmt::Display for Hotplug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Hotplug {
    type Err = UnknownHotplug;

    fn from_str(word: &str) -> Result<Self, UnknownHotplug> {
        let all = [Self::Native, Self::Scripts, Self::Udev];
        all.into_iter().find(|policy| policy.as_str() == word).ok_or(UnknownHotplug)
    }
}

/// The word names no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of native, scripts and udev")]
pub struct UnknownHotplug;

/// How long somebody else may take to take the host's part back (`LIBXL_DESTROY_TIMEOUT`).
const TAKEN_BACK: Duration = Duration::from_secs(10);

/// How long it may take to see what both ends, or a script, wrote last.
const LAST_LOOK: Duration = Duration::from_secs(5);

/// Where scripts answer, in the backend (`xen-hotplug-common.sh`).
const STATUS: &str = "hotplug-status";
const CONNECTED: &str = "connected";
const BUSY: &str = "busy";

#[cfg(test)]
mod tests;
