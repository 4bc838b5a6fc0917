//! The host and its hypervisor.

use xen_types::PageCount;

use crate::support::{Outcome, open, xl_info};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_version_is_the_one_xl_reports() -> Outcome {
    let xc = open()?;
    assert_eq!(xc.version()?, xl_info("xen_version")?);
    assert_eq!(xc.release().to_string(), xl_info("xen_major")? + "." + &xl_info("xen_minor")?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_host_has_the_processors_and_memory_xl_reports() -> Outcome {
    let host = open()?.physinfo()?;
    assert_eq!(host.nr_cpus.to_string(), xl_info("nr_cpus")?);
    assert_eq!(host.nr_nodes.to_string(), xl_info("nr_nodes")?);
    assert_eq!(host.total.to_mib_down().get().to_string(), xl_info("total_memory")?);
    assert!(host.free < host.total && host.free > PageCount(0), "{host:?}");
    let caps = format!("{:?}", host.capabilities).to_lowercase();
    assert!(caps.contains("hvm | pv"), "{caps}");
    Ok(())
}
