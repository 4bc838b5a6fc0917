//! What a fact is given.

use std::any::Any;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use std::{fmt, fs, io};

use eventchn::{Bound, EventChannels};
use xc::foreign::ForeignMemory;
use xc::grant::Access;
use xc::{CreateConfig, GuestKind, Kind, Release, Xc};
use xen_sim::{Hardware, Machine, Process};
use xen_types::{Deadline, DomId, DomainUuid, Gfn, MiB};
use xenops::{CreateOptions, DomainConfig, Host, Limits};

use super::answered;

/// A machine, seen from its domain 0.
#[derive(Debug)]
pub(super) struct Ctx {
    xc: Xc,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A machine of this fact's alone: a program in its domain 0, and a folder for that.
    Simulated(Arc<Process>, Folder),
    /// The one that this runs on.
    Real,
}

impl Ctx {
    pub(super) fn simulated(release: Release) -> io::Result<Self> {
        let process = Machine::start(&Hardware::new(release))?.process();
        Ok(Self { xc: process.xc(), place: Place::Simulated(process, Folder::new()?) })
    }

    pub(super) fn real() -> xc::Result<Self> {
        Ok(Self { xc: answered::open()?, place: Place::Real })
    }

    /// The handle to the hypervisor.
    pub(super) fn xc(&self) -> &Xc {
        &self.xc
    }

    /// Another one, of the same process.
    pub(super) fn another_xc(&self) -> xc::Result<Xc> {
        match &self.place {
            Place::Simulated(process, _) => Ok(process.xc()),
            Place::Real => answered::open(),
        }
    }

    /// Whether the hypervisor is of this release or a later one.
    pub(super) fn since(&self, major: u16, minor: u16) -> bool {
        self.xc.release() >= Release::new(major, minor)
    }

    /// The event-channel device, opened anew.
    pub(super) fn channels(&self) -> Result<EventChannels, Box<dyn std::error::Error>> {
        match &self.place {
            Place::Simulated(process, _) => Ok(process.event_channels()?),
            Place::Real => Ok(EventChannels::open()?),
        }
    }

    /// A domain of two virtual CPUs to be, without memory.
    pub(super) fn empty(&self, kind: GuestKind) -> xc::Result<Domain> {
        self.domain(&self.config(kind))
    }

    /// What such a domain is created with.
    pub(super) fn config(&self, kind: GuestKind) -> CreateConfig {
        CreateConfig::new(kind, fresh_uuid(), 2)
    }

    pub(super) fn domain(&self, config: &CreateConfig) -> xc::Result<Domain> {
        let id = self.xc.create_domain(config)?;
        Ok(Domain { xc: self.xc.clone(), id, uuid: config.uuid })
    }

    /// Maps a page of a domain, as a back-end does, until what this returns is dropped. PV pages by
    /// their machine frames.
    pub(super) fn map(
        &self,
        dom: DomId,
        frame: u64,
    ) -> Result<Box<dyn Any>, Box<dyn std::error::Error>> {
        match &self.place {
            Place::Simulated(process, _) => Ok(Box::new(process.map_page(dom, frame)?)),
            Place::Real => {
                Ok(Box::new(ForeignMemory::open()?.map(dom, &[Gfn(frame)], Access::Read)?))
            }
        }
    }

    /// A toolstack in domain 0.
    pub(super) fn host(&self) -> Result<Host, Box<dyn std::error::Error>> {
        match &self.place {
            Place::Simulated(process, Folder(folder)) => {
                let host = Host::from_parts(process.store()?, process.xc(), process.xg());
                Ok(host.of_another_machine(folder))
            }
            Place::Real => Ok(Host::open()?),
        }
    }

    /// A guest that runs.
    pub(super) fn guest(
        &self,
        name: &str,
        kind: xenops::GuestKind,
        command_line: &str,
    ) -> xenops::Result<Guest> {
        let kernel = match &self.place {
            Place::Simulated(_, Folder(folder)) => folder.join("kernel"),
            Place::Real => "/guests/tiny.elf".into(),
        };
        let host = self.host().expect("the host of this fact");
        let mut config = DomainConfig::new(name, kind, kernel, MiB(16));
        config.cmdline = command_line.into();
        let id = host.create(&config, CreateOptions::default(), &Self::limits())?;
        Ok(Guest { host, id })
    }

    /// For an operation that must come to its end.
    pub(super) fn limits() -> Limits {
        Limits::until(soon())
    }

    /// What another observer says, where there is one: `look` gets what this program of Xen's
    /// prints.
    pub(super) fn observe(&self, program: &[&str], look: impl FnOnce(&str)) {
        if let (Place::Real, [name, arguments @ ..]) = (&self.place, program) {
            let output = Command::new(name).args(arguments).output().unwrap();
            assert!(output.status.success(), "{program:?}: {output:?}");
            look(&String::from_utf8(output.stdout).unwrap());
        }
    }

    /// The same for what Xen itself prints for a debug key.
    pub(super) fn observe_key(&self, key: &str, look: impl FnOnce(&str)) {
        self.observe(&["xl", "dmesg", "-c"], |_| {});
        self.observe(&["xl", "debug-keys", key], |_| {});
        self.observe(&["xl", "dmesg"], look);
    }
}

/// A folder with a kernel in it, removed with this.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn new() -> io::Result<Self> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("conformance-{}-{number}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0)?;
        fs::write(folder.0.join("kernel"), xen_sim::kernel())?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A guest that is destroyed at the end of the fact, however it ends.
#[derive(Debug)]
pub(super) struct Guest {
    pub(super) host: Host,
    pub(super) id: DomId,
}

impl Drop for Guest {
    fn drop(&mut self) {
        match self.host.destroy(self.id, &Ctx::limits()) {
            Err(e) if e.kind() != Kind::NotFound => eprintln!("left behind: {e}"),
            _ => {}
        }
    }
}

/// A domain that is destroyed at the end of the fact, however it ends.
pub(super) struct Domain {
    pub(super) xc: Xc,
    pub(super) id: DomId,
    pub(super) uuid: DomainUuid,
}

impl Domain {
    /// Destroys it and waits until it is gone.
    pub(super) fn end(&self) -> xc::Result<()> {
        self.xc.destroy_domain(self.id)?;
        until("the domain is gone", || self.is_gone());
        Ok(())
    }

    pub(super) fn is_gone(&self) -> bool {
        self.xc.info(self.id).is_err_and(|e| e.kind() == Kind::NotFound)
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        match self.xc.destroy_domain(self.id) {
            Err(e) if e.kind() != Kind::NotFound => eprintln!("left behind: {e}"),
            _ => {}
        }
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "domain {} {}", self.id, self.uuid)
    }
}

pub(super) fn fresh_uuid() -> DomainUuid {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut bytes = *b"lab fact\0\0\0\0\0\0\0\0";
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[14..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    DomainUuid::from_bytes(bytes)
}

/// Asks until the answer is yes, at most a minute.
pub(super) fn until(what: &str, mut yes: impl FnMut() -> bool) {
    let start = Instant::now();
    while !yes() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// For what must come: late enough for a busy machine.
pub(super) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(120))
}

/// For what must not come.
pub(super) fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

/// Two ports of domain 0 bound to each other, the event of the fresh binding consumed.
pub(super) fn pair(channels: &EventChannels) -> eventchn::Result<(Bound, Bound)> {
    let one = channels.bind_unbound_port(DomId::DOM0)?;
    let other = channels.bind_interdomain(DomId::DOM0, one.port())?;
    other.wait(soon())?;
    Ok((one, other))
}
