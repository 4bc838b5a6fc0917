//! Contexts and what carries them.

use std::ffi::{CStr, CString};
use std::fmt;
use std::ops::RangeInclusive;

use xen_types::{DomId, Mfn, Sbdf};

use super::LONGEST;
use crate::device::Pirq;
use crate::{Error, Result, Xc};

/// The number that Xen knows a context by (security identifier), until it is started again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(pub u32);

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sid {}", self.0)
    }
}

/// What the policy says of one context's access to another, a bit per permission of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessVector {
    /// What was asked for.
    pub asked: u32,
    /// What is allowed.
    pub allowed: u32,
    /// What is logged when it is allowed.
    pub audit_allowed: u32,
    /// What is logged when it is denied.
    pub audit_denied: u32,
    /// Which state of the policy decided.
    pub sequence: u32,
}

impl AccessVector {
    /// Whether all that was asked for is allowed.
    pub const fn is_allowed(&self) -> bool {
        self.allowed & self.asked == self.asked
    }
}

/// A resource of the host that has a label of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// An interrupt.
    Pirq(Pirq),
    /// I/O ports, first and last included.
    IoPorts(RangeInclusive<u16>),
    /// Frames of I/O memory, first and last included.
    IoMemory(RangeInclusive<Mfn>),
    /// A PCI function.
    Device(Sbdf),
}

impl Xc {
    /// The number of a context such as `system_u:system_r:dom0_t`.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a context that the policy does not have or that is
    /// longer than a page, [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias = "xc_flask_context_to_sid")]
    pub fn flask_sid(&self, context: &CStr) -> Result<Sid> {
        self.backend
            .flask_context_to_sid(context)
            .map(Sid)
            .map_err(|e| Error::new(format!("read the sid of {context:?}"), e))
    }

    /// The context of a number.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a number that is none, or whose context is longer
    /// than a page, [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias = "xc_flask_sid_to_context")]
    pub fn flask_context(&self, sid: Sid) -> Result<CString> {
        self.backend
            .flask_sid_to_context(sid.0.cast_signed(), LONGEST)
            .map_err(|e| Error::new(format!("read the context of {sid:?}"), e))
    }

    /// Gives `dom` another label, as the policy allows between its present one and that.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias = "xc_flask_relabel_domain")]
    pub fn relabel_domain(&self, dom: DomId, sid: Sid) -> Result<()> {
        self.backend
            .flask_relabel_domain(dom, sid.0)
            .map_err(|e| Error::on(format!("relabel as {sid:?}"), dom, e))
    }

    /// What the policy lets `source` do to `target`; `class` and the bits of `asked` are numbers of the
    /// policy (`tools/flask/policy/policy/access_vectors`).
    ///
    /// A denial is an answer, not an error.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a context that the policy does not have,
    /// [`Kind::Denied`](crate::Kind::Denied) if the caller may not ask.
    #[doc(alias = "xc_flask_access")]
    pub fn flask_access(
        &self,
        source: &CStr,
        target: &CStr,
        class: u16,
        asked: u32,
    ) -> Result<AccessVector> {
        let decision = self
            .backend
            .flask_access(source, target, class, asked)
            .map_err(|e| Error::new(format!("ask what {source:?} may do to {target:?}"), e))?;
        Ok(AccessVector {
            asked,
            allowed: decision.allowed,
            audit_allowed: decision.auditallow,
            audit_denied: decision.auditdeny,
            sequence: decision.seqno,
        })
    }

    /// Labels a resource of the host.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a context that the policy does not have and for an
    /// empty range, [`Kind::Exists`](crate::Kind::Exists) if a part of it has a label,
    /// [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias(
        "xc_flask_add_pirq",
        "xc_flask_add_ioport",
        "xc_flask_add_iomem",
        "xc_flask_add_device"
    ))]
    pub fn add_flask_label(&self, resource: &Labelled, context: &CStr) -> Result<()> {
        let done = match resource {
            Labelled::Pirq(pirq) => self.backend.flask_add_pirq(pirq.0, context),
            Labelled::Device(device) => self.backend.flask_add_device(device.raw().into(), context),
            Labelled::IoPorts(ports) => {
                let (low, high) = (u64::from(*ports.start()), u64::from(*ports.end()));
                self.backend.flask_add_ioport(low, high, context)
            }
            Labelled::IoMemory(frames) => {
                self.backend.flask_add_iomem(frames.start().0, frames.end().0, context)
            }
        };
        done.map_err(|e| Error::new(format!("label {resource:?} as {context:?}"), e))
    }

    /// Takes the label of a resource that [`Xc::add_flask_label`] or the policy labelled.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if just this has no label,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for an empty range,
    /// [`Kind::Denied`](crate::Kind::Denied).
    #[doc(alias(
        "xc_flask_del_pirq",
        "xc_flask_del_ioport",
        "xc_flask_del_iomem",
        "xc_flask_del_device"
    ))]
    pub fn remove_flask_label(&self, resource: &Labelled) -> Result<()> {
        let done = match resource {
            Labelled::Pirq(pirq) => self.backend.flask_del_pirq(pirq.0),
            Labelled::Device(device) => self.backend.flask_del_device(device.raw().into()),
            Labelled::IoPorts(ports) => {
                let (low, high) = (u64::from(*ports.start()), u64::from(*ports.end()));
                self.backend.flask_del_ioport(low, high)
            }
            Labelled::IoMemory(frames) => {
                self.backend.flask_del_iomem(frames.start().0, frames.end().0)
            }
        };
        done.map_err(|e| Error::new(format!("take the label of {resource:?}"), e))
    }
}
