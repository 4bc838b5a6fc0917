//! Going on after a suspension.

use xc::GuestKind;
use xen_types::{MiB, ShutdownReason};
use xg::{Kind, Xg};

use crate::support::{Domain, Outcome};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_suspended_domain_goes_on() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Suspend)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Suspend));
    Xg::open(&dom.xc)?.resume(dom.id)?;
    assert_eq!(dom.xc.info(dom.id)?.shutdown, None);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domain_that_crashed_does_not_go_on() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    dom.xc.set_max_vcpus(dom.id, 2)?;
    dom.xc.shutdown(dom.id, ShutdownReason::Crash)?;
    let refused = Xg::open(&dom.xc)?.resume(dom.id).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(dom.xc.info(dom.id)?.shutdown, Some(ShutdownReason::Crash));
    Ok(())
}
