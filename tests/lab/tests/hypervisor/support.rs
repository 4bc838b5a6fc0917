//! What these tests share: domains that end with the test, other observers, and a list of the calls
//! that a real Xen has answered.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use eventchn::{Bound, EventChannels};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use xc::{CreateConfig, GuestKind, Kind, Xc};
use xen_types::{Deadline, DomId, DomainUuid};

/// Opens the running hypervisor. What is called through it is written down for `docs/xen-versions.md`.
pub(crate) fn open() -> xc::Result<Xc> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(CallList::default()).expect("nobody else sets one");
    });
    Xc::open()
}

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// A domain that is destroyed at the end of the test, however it ends.
pub(crate) struct Domain {
    pub(crate) xc: Xc,
    pub(crate) id: DomId,
    pub(crate) uuid: DomainUuid,
}

impl Domain {
    /// A domain of two virtual CPUs to be, without memory.
    pub(crate) fn empty(kind: GuestKind) -> xc::Result<Self> {
        Self::of(&CreateConfig::new(kind, fresh_uuid(), 2))
    }

    pub(crate) fn of(config: &CreateConfig) -> xc::Result<Self> {
        let xc = open()?;
        let id = xc.create_domain(config)?;
        Ok(Self { xc, id, uuid: config.uuid })
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

pub(crate) fn fresh_uuid() -> DomainUuid {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let mut bytes = *b"lab test\0\0\0\0\0\0\0\0";
    bytes[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    bytes[14..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    DomainUuid::from_bytes(bytes)
}

/// One line of `xl info`.
pub(crate) fn xl_info(key: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = String::from_utf8(Command::new("xl").arg("info").output()?.stdout)?;
    let line = output.lines().find(|line| line.split(':').next().is_some_and(|k| k.trim() == key));
    let value =
        line.and_then(|line| line.split_once(':')).ok_or(format!("xl info has no {key}"))?;
    Ok(value.1.trim().to_owned())
}

/// Waits for what another party does in its own time.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = soon();
    while !holds() {
        assert!(!deadline.passed(Instant::now()), "{what}: not within 20 s");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

pub(crate) fn shortly() -> Deadline {
    Deadline::after(Duration::from_millis(200))
}

/// Two ports of this domain bound to each other, the event of the fresh binding consumed.
pub(crate) fn pair(channels: &EventChannels) -> eventchn::Result<(Bound, Bound)> {
    let one = channels.bind_unbound_port(DomId::DOM0)?;
    let other = channels.bind_interdomain(DomId::DOM0, one.port())?;
    other.wait(soon())?;
    Ok((one, other))
}

/// Writes the name of every call once into a file that the host collects.
#[derive(Debug, Default)]
struct CallList(Mutex<BTreeSet<String>>);

impl Subscriber for CallList {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "xc::call"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut CallName(self));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct CallName<'a>(&'a CallList);

impl Visit for CallName<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "call" && self.0.0.lock().expect("no panic").insert(value.to_owned()) {
            let file = OpenOptions::new().append(true).create(true).open("/host/calls");
            let line = format!("{value}\n");
            file.and_then(|mut file| file.write_all(line.as_bytes())).expect("/host is writable");
        }
    }
    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
