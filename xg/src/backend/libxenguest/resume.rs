//! Going on after a suspension.

use xen_types::DomId;

use super::{LibXenGuest, handle};
use crate::backend::outcome::check;
use crate::backend::{CallError, ResumeCalls};

impl ResumeCalls for LibXenGuest {
    fn domain_resume(&self, dom: DomId, fast: bool) -> Result<(), CallError> {
        let before_4_16 = self.library.ctrl().functions().dump.domain_resume;
        let function = self.library.functions().domain_resume.or(before_4_16);
        let resume = self.function("xc_domain_resume", function)?;
        let interface = self.interface()?;
        let handle = handle(&interface)?;
        check(|| {
            // SAFETY: the handle must be open: `interface` holds it open until the end of this function.
            unsafe { resume(handle, dom.into(), fast.into()) }
        })
    }
}
