//! What these tests share: domains that end with the test, and other observers.

use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

use xc::{CreateConfig, GuestKind, Kind, Xc};
use xen_types::{DomId, DomainUuid};

pub(crate) use crate::answered::open;
pub(crate) use crate::dom0::until;

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
