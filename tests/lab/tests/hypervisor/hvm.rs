//! What only HVM and PVH domains have.

use xc::{GuestKind, HvmParam, Kind};

use crate::support::{Domain, Outcome};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn hvm_parameters_keep_what_was_set_and_pv_has_none() -> Outcome {
    let pvh = Domain::empty(GuestKind::Pvh)?;
    pvh.xc.set_hvm_param(pvh.id, HvmParam::STORE_EVTCHN, 7)?;
    assert_eq!(pvh.xc.hvm_param(pvh.id, HvmParam::STORE_EVTCHN)?, 7);
    pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff0)?;
    let again = pvh.xc.set_hvm_param(pvh.id, HvmParam::IOREQ_SERVER_PFN, 0xfeff1).unwrap_err();
    assert_eq!(again.kind(), Kind::Exists);
    let pv = Domain::empty(GuestKind::Pv)?;
    let error = pv.xc.hvm_param(pv.id, HvmParam::STORE_EVTCHN).unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    Ok(())
}
