//! The life, identity and time of domains.

use eventchn::Virq;
use xc::{GuestKind, Kind};
use xen_types::{DomId, ShutdownReason};
use xs::{Client, Path};

use crate::dom0::{Config, Guest};
use crate::support::{Domain, Outcome, shortly, soon};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn xenstored_hears_of_no_death_while_another_domain_has_the_interrupt_for_them() -> Outcome {
    let guest = Guest::create("unheard", &Config::tiny("unheard", "pv", ""));
    guest.says("TINY-HELLO");
    let mut deaths = Client::open()?.watch(&Path::RELEASE_DOMAIN)?;
    deaths.wait(soon())?; // that the watch is there
    let heir = Domain::empty(GuestKind::Pv)?;

    heir.xc.set_virq_handler(heir.id, Virq::DOM_EXC.0)?;
    heir.xc.shutdown(guest.id.parse()?, ShutdownReason::Poweroff)?;
    assert_eq!(deaths.wait(shortly()).unwrap_err().kind(), Kind::TimedOut);

    heir.xc.set_virq_handler(DomId::DOM0, Virq::DOM_EXC.0)?;
    heir.xc.destroy_domain(heir.id)?;
    deaths.wait(soon())?;
    Ok(())
}
