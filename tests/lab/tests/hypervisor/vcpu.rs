//! Virtual CPUs.

use xc::{GuestKind, Kind, TscMode};
use xen_types::MiB;

use crate::support::{Domain, Outcome};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn virtual_cpus_are_as_many_as_the_domain_was_created_for() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    assert_eq!(dom.xc.set_max_vcpus(dom.id, 3).unwrap_err().kind(), Kind::Invalid);
    dom.xc.set_max_vcpus(dom.id, 2)?;
    assert_eq!(dom.xc.info(dom.id)?.max_vcpu_id, Some(1));
    dom.xc.set_tsc_mode(dom.id, TscMode::Native)?;
    Ok(())
}
