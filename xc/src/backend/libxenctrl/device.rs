//! Hardware that domains are given.

use xen_types::DomId;

use super::{LibXenCtrl, call};
use crate::backend::{CallError, DeviceCalls};

impl DeviceCalls for LibXenCtrl {
    fn domain_ioport_permission(
        &self,
        dom: DomId,
        first: u32,
        count: u32,
        allow: bool,
    ) -> Result<(), CallError> {
        call!(self, device.domain_ioport_permission(dom, first, count, u32::from(allow))).map(drop)
    }
}
