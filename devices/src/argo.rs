//! Messages between domains, as OpenXT has them: Argo, and V4V before it.
//!
//! The messages go through the hypervisor; the device only tells the guest's driver to start. Keys:
//! `device.ml` of OpenXT's toolstack. libxl knows neither kind, and passes such records over.

use xen_types::DomId;

use crate::error::Result;
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::{INITIALISING, Layout};
use crate::record::Record;
use crate::spec::Spec;
use crate::tree::Tree;

/// That a domain can send messages to others.
///
/// ```
/// use devices::{Argo, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let argo = Argo::new(0);
/// assert_eq!(argo.ends(dom).frontend().as_str(), "/local/domain/7/device/argo/0");
/// let record = Record::in_tree(&argo.tree(dom), &argo.ends(dom).device)?;
/// assert_eq!(Argo::from_record(&record)?, argo);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Argo {
    number: u32,
    v4v: bool,
    server: DomId,
}

impl Argo {
    /// For a driver of Argo.
    pub const fn new(number: u32) -> Self {
        Self { number, v4v: false, server: DomId::DOM0 }
    }

    /// For a driver of V4V.
    pub const fn v4v(number: u32) -> Self {
        Self { number, v4v: true, server: DomId::DOM0 }
    }
}

impl Spec for Argo {
    fn ends(&self, dom: DomId) -> Ends {
        let kind = if self.v4v { Kind::V4v } else { Kind::Argo };
        let device = DeviceId { dom, kind: kind.clone(), number: self.number };
        Ends { device, server: self.server, served_as: kind }
    }

    /// As for all descriptions. Nothing serves it, so that the serving end has no state to begin with.
    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::bare(self.ends(dom));
        layout
            .back("frontend-id", dom)
            .back("state", UNKNOWN)
            .front("backend-id", self.server)
            .front("state", INITIALISING);
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.ends();
        let v4v = match (&ends.device.kind, &ends.served_as) {
            (Kind::Argo, Kind::Argo) => false,
            (Kind::V4v, Kind::V4v) => true,
            _ => return Err(record.of_another_kind()),
        };
        Ok(Self { number: ends.device.number, v4v, server: ends.server })
    }
}

/// `XenbusStateUnknown` (`io/xenbus.h`).
const UNKNOWN: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{lines_below, read_back};

    #[test]
    fn the_serving_end_has_no_state() {
        assert_eq!(
            lines_below(&Argo::v4v(0), "/local/domain/0/backend/v4v/7/0"),
            [
                r#" = ""   (n0,r7)"#,
                r#"/frontend = "/local/domain/7/device/v4v/0""#,
                r#"/frontend-id = "7""#,
                r#"/state = "0""#,
            ]
        );
        assert_eq!(read_back(&Argo::v4v(0)).unwrap(), Argo::v4v(0));
    }
}
