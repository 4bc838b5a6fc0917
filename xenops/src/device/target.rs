//! Whether the target of a disk is what it is said to be, before anything is done with it.

use std::path::Path;

use xen_types::DomId;

use crate::config::{DiskType, DomainConfig};
use crate::error::{Cause, Error, Problem, Result, Subject};
use crate::host::Host;
use crate::hotplug::system::Node;

impl Host {
    /// Fails unless what a path of the control domain leads to is what the target of a disk shall be.
    ///
    /// [`Host::create`] and [`Host::restore`] look so at each disk with a type that the control domain
    /// serves; who attaches a disk by [`Host::attach`] may ask before.
    ///
    /// # Errors
    /// [`crate::Kind::NotFound`] if nothing is there, [`crate::Kind::Invalid`] if it is something else,
    /// [`crate::Kind::Unavailable`] on [another machine](Host::of_another_machine).
    pub fn check_target(&self, path: &Path, wanted: DiskType) -> Result<()> {
        let fail = |cause| Error::new("check the target of a disk", Subject::Host, cause);
        self.look_at(path, wanted).map_err(fail)
    }

    /// The same of all disks that a domain shall have.
    pub(crate) fn check_targets(&self, config: &DomainConfig) -> Result<(), Cause> {
        for vbd in &config.vbd {
            let (Some(target), Some(wanted)) = (&vbd.target, vbd.kind) else { continue };
            // The targets of another domain are its own.
            let server = match &vbd.backend {
                Some(whom) => self.find(whom).map_err(|error| Cause::Part(Box::new(error)))?.id,
                None => DomId::DOM0,
            };
            if server == DomId::DOM0 {
                self.look_at(Path::new(target), wanted)?;
            }
        }
        Ok(())
    }

    fn look_at(&self, path: &Path, wanted: DiskType) -> Result<(), Cause> {
        let fail = |source| Cause::File { what: "look at", path: path.into(), source };
        let found = self.system()?.stat(path).map_err(fail)?;
        match (wanted, found) {
            (DiskType::Phy | DiskType::Qdisk, Node::BlockDevice(_))
            | (DiskType::File | DiskType::Qdisk, Node::File { .. }) => Ok(()),
            (DiskType::Phy, _) => Err(Problem::NoBlockDevice(path.into()).into()),
            (DiskType::File, _) => Err(Problem::NoFile(path.into()).into()),
            (DiskType::Qdisk, _) => Err(Problem::NoDisk(path.into()).into()),
        }
    }
}
