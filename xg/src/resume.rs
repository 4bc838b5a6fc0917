//! Going on after a suspension.

use xen_types::DomId;

use crate::Error;
use crate::{Result, Xg};

impl Xg {
    /// Lets `dom`, which has suspended itself, go on where it is, as after a save that failed or that
    /// was a checkpoint. Its call to suspend returns 1: it was not saved, and keeps its rings and
    /// ports. Guests that do not know this answer must be resumed otherwise, which is not here yet.
    ///
    /// For PV, and for HVM with PV drivers (those that set
    /// [`HvmParam::CALLBACK_IRQ`](xc::HvmParam::CALLBACK_IRQ)), the answer is written into the
    /// registers of the first virtual CPU.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if `dom` has not suspended itself,
    /// [`Kind::NotFound`](crate::Kind::NotFound) from 4.18 on if it is gone, another kind before.
    #[doc(alias = "xc_domain_resume")]
    pub fn resume(&self, dom: DomId) -> Result<()> {
        self.backend.domain_resume(dom, true).map_err(|e| Error::operation("resume", Some(dom), e))
    }
}
