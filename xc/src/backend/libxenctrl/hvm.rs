//! What only HVM and PVH domains have.

use xen_types::DomId;

use super::{LibXenCtrl, call};
use crate::backend::{CallError, HvmCalls};

impl HvmCalls for LibXenCtrl {
    fn hvm_param_get(&self, dom: DomId, param: u32) -> Result<u64, CallError> {
        let mut value = 0;
        call!(self, hvm.hvm_param_get(dom, param, &mut value))?;
        Ok(value)
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        call!(self, hvm.hvm_param_set(dom, param, value)).map(drop)
    }
}
