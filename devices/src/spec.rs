//! What all descriptions of devices have in common.

use xen_types::DomId;

use crate::error::Result;
use crate::id::Ends;
use crate::record::Record;
use crate::tree::Tree;

/// The description of a device, which becomes nodes in the store and is read back from its record.
///
/// It says what the device is and who serves it, but not who uses it, so that it can be made before
/// there is a domain.
pub trait Spec: Sized {
    /// Where the device of the domain `dom` has its ends.
    fn ends(&self, dom: DomId) -> Ends;

    /// The nodes of both ends and of the record, for a device that does not exist yet. Whoever writes
    /// them removes what is left of an earlier device of that number first.
    fn tree(&self, dom: DomId) -> Tree;

    /// The description that a record was made from.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the record is of another kind of device, or lacks a
    /// key, or has a value that no description has.
    fn from_record(record: &Record) -> Result<Self>;
}
