//! Sockets of the serving domain, lent to a guest.
//!
//! Keys: `libxl_pvcalls.c` (4.17, 4.20), docs/misc/pvcalls.pandoc: none beyond those of every device.

use xen_types::DomId;

use crate::error::Result;
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::record::Record;
use crate::spec::Spec;
use crate::tree::Tree;

/// That the sockets of a domain are those of the serving domain.
///
/// ```
/// use devices::{Pvcalls, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let calls = Pvcalls { number: 0, server: DomId::DOM0 };
/// let record = Record::in_tree(&calls.tree(dom), &calls.ends(dom).device)?;
/// assert_eq!(Pvcalls::from_record(&record)?, calls);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pvcalls {
    /// Which of the domain's such devices it is.
    pub number: u32,
    /// The domain that serves it.
    pub server: DomId,
}

impl Spec for Pvcalls {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Pvcalls, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Pvcalls }
    }

    fn tree(&self, dom: DomId) -> Tree {
        Layout::new(self.ends(dom)).tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Pvcalls)?;
        Ok(Self { number: ends.device.number, server: ends.server })
    }
}
