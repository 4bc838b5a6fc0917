//! Trusted platform modules.
//!
//! Keys: `libxl_vtpm.c` (4.17, 4.20), `io/tpmif.h`, `vtpmmgr`. libxl always has a domain of its own
//! serve it (xl refuses the control domain).

use uuid::Uuid;
use xen_types::DomId;

use crate::error::Result;
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::record::Record;
use crate::spec::Spec;
use crate::tree::Tree;

/// The trusted platform module of a domain.
///
/// ```
/// use devices::{Record, Spec, Vtpm};
/// use xen_types::DomId;
///
/// let (dom, server) = (DomId::new(7).ok_or("reserved")?, DomId::new(3).ok_or("reserved")?);
/// let tpm = Vtpm::new(0, "00112233-4455-6677-8899-aabbccddeeff".parse()?, server);
/// let record = Record::in_tree(&tpm.tree(dom), &tpm.ends(dom).device)?;
/// assert_eq!(Vtpm::from_record(&record)?, tpm);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vtpm {
    number: u32,
    uuid: Uuid,
    server: DomId,
}

impl Vtpm {
    /// The module that the server knows by `uuid`, which is not the domain's own.
    pub const fn new(number: u32, uuid: Uuid, server: DomId) -> Self {
        Self { number, uuid, server }
    }

    /// What the server knows it by.
    pub const fn uuid(&self) -> Uuid {
        self.uuid
    }
}

impl Spec for Vtpm {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vtpm, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Vtpm }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("handle", self.number)
            .back("uuid", self.uuid)
            .back("resume", "False")
            .front("handle", self.number);
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Vtpm)?;
        let uuid = record.parse("uuid")?;
        Ok(Self { number: ends.device.number, uuid, server: ends.server })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    fn tpm() -> Vtpm {
        Vtpm::new(1, "00112233-4455-6677-8899-aabbccddeeff".parse().unwrap(), dom(3))
    }

    #[test]
    fn the_server_finds_the_module_by_its_uuid() {
        let back = lines_below(&tpm(), "/local/domain/3/backend/vtpm/7/1");
        assert_eq!(
            back[5..],
            [
                r#"/handle = "1""#,
                r#"/uuid = "00112233-4455-6677-8899-aabbccddeeff""#,
                r#"/resume = "False""#,
            ]
        );
        let front = lines_below(&tpm(), "/local/domain/7/device/vtpm/1");
        assert_eq!(front[4..], [r#"/handle = "1""#]);
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read_back(&tpm()).unwrap(), tpm());
        assert!(Vtpm::from_record(&record_with(&tpm(), "uuid", "")).is_err());
    }
}
