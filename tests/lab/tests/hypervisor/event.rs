//! Event channels.

use eventchn::{EventChannels, Virq};
use xc::Kind;

use crate::support::Outcome;

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_interrupt_for_domain_deaths_belongs_to_xenstored() -> Outcome {
    let error = EventChannels::open()?.bind_virq(Virq::DOM_EXC).unwrap_err();
    assert_eq!(error.kind(), Kind::Exists);
    Ok(())
}
