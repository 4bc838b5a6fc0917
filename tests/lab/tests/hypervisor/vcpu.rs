//! Virtual CPUs.

use xc::{Kind, VcpuContext};

use crate::dom0::{Config, Guest};
use crate::support::{Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn registers_of_a_running_guest_are_read_changed_and_kept() -> Outcome {
    let config = Config::tiny("tiny-registers", "pvh", "");
    let guest = Guest::create("tiny-registers", &config);
    guest.says("TINY-READY");
    let (xc, dom) = (open()?, guest.id.parse()?);
    xc.pause(dom)?;
    let context = xc.vcpu_context(dom, 0)?;
    assert!(context.rip != 0 && context.rsp != 0 && context.ctrlreg[3] != 0, "{:#x}", context.rip);
    assert_eq!(context.ctrlreg[0] & 1, 1, "in protected mode");

    let changed = VcpuContext { r15: !context.r15, ..*context };
    xc.set_vcpu_context(dom, 0, &changed)?;
    let read = xc.vcpu_context(dom, 0)?;
    assert_eq!((read.r15, read.rip, read.rsp), (!context.r15, context.rip, context.rsp));
    xc.set_vcpu_context(dom, 0, &context)?;
    assert_eq!(xc.vcpu_context(dom, 0)?.r15, context.r15);
    assert_eq!(xc.vcpu_context(dom, 1).unwrap_err().kind(), Kind::Invalid);
    Ok(())
}
