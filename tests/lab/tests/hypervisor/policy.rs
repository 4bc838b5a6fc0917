//! CPU policies, beside what `xen-cpuid` prints of them.

use std::error::Error as _;
use std::process::Command;

use xc::{GuestKind, Kind};
use xen_types::DomId;
use xg::backend::CallError;
use xg::{
    Compatibility, CpuPolicy, CpuidLeaf, Error, FeatureMask, FeatureSet, Msr, PolicyEntry,
    SystemPolicy, Xg,
};

use crate::support::{Domain, Outcome, open};

/// Bit 1 of ECX of leaf 1.
const PCLMULQDQ: u32 = 1 << 1;

type Printed = Result<(Vec<String>, Vec<String>), Box<dyn std::error::Error>>;

/// What `xen-cpuid -p` prints of one policy: leaves that are not all zero, and registers.
fn printed(arguments: &[&str], title: &str) -> Printed {
    let output = Command::new("xen-cpuid").arg("-p").args(arguments).output()?;
    let text = String::from_utf8(output.stdout)?;
    let (_, after) =
        text.split_once(&format!("{title} policy: ")).ok_or(format!("no {title}: {text}"))?;
    let ours = after.split(" policy: ").next().ok_or("nothing")?;
    let (leaves, msrs) = ours.split_once(" MSRs:\n").ok_or(format!("no MSRs: {ours}"))?;
    let entries = |part: &str| -> Vec<String> {
        let entries = part.lines().filter(|line| line.contains(" -> ") && !line.contains("eax"));
        entries.filter(|line| !line.contains("value")).map(|line| line.trim().to_owned()).collect()
    };
    Ok((entries(leaves), entries(msrs)))
}

/// The same of a policy that was read here.
fn listed(policy: &CpuPolicy) -> xg::Result<(Vec<String>, Vec<String>)> {
    let (leaves, msrs) = policy.entries()?;
    let some = |leaf: &&CpuidLeaf| leaf.eax | leaf.ebx | leaf.ecx | leaf.edx != 0;
    let leaves = leaves.iter().filter(some).map(|leaf| format!("{leaf:?}")).collect();
    Ok((leaves, msrs.iter().map(|msr| format!("{msr:?}")).collect()))
}

fn leaf(policy: &CpuPolicy, number: u32) -> xg::Result<CpuidLeaf> {
    let (leaves, _) = policy.entries()?;
    Ok(*leaves.iter().find(|leaf| leaf.leaf == number).expect("every policy has it"))
}

/// The entry that a refusal names.
fn at_fault(error: &Error) -> Option<PolicyEntry> {
    match error {
        Error::Operation { source: CallError::At { entry, .. }, .. } => Some(*entry),
        _ => None,
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn the_hosts_policies_are_those_that_xen_cpuid_prints() -> Outcome {
    let xg = Xg::open(&open()?)?;
    let of = |which| xg.system_cpu_policy(which).and_then(|policy| listed(&policy));
    let raw = of(SystemPolicy::Raw)?;
    assert!(raw.0.len() > 10 && !raw.1.is_empty(), "{raw:?}");
    assert_eq!(raw, printed(&[], "Raw")?);
    assert_eq!(of(SystemPolicy::Host)?, printed(&[], "Host")?);
    assert_eq!(of(SystemPolicy::PvMax)?, printed(&[], "PV Max")?);
    assert_eq!(of(SystemPolicy::HvmMax)?, printed(&[], "HVM Max")?);
    assert_eq!(of(SystemPolicy::PvDefault)?, printed(&[], "PV Default")?);
    assert_eq!(of(SystemPolicy::HvmDefault)?, printed(&[], "HVM Default")?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_domains_policy_is_the_one_that_xen_cpuid_prints() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let xg = Xg::open(&dom.xc)?;
    let id = dom.id.to_string();
    assert_eq!(listed(&xg.cpu_policy(dom.id)?)?, printed(&[&id], &format!("Domain {id}"))?);
    assert_eq!(listed(&xg.cpu_policy(DomId::DOM0)?)?, printed(&["0"], "Domain 0")?);
    let absent = DomId::new(0x7fef).ok_or("reserved")?;
    assert_eq!(xg.cpu_policy(absent).unwrap_err().kind(), Kind::NotFound);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_policy_without_a_feature_is_the_domains_after_setting() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let xg = Xg::open(&dom.xc)?;
    let mut policy = xg.cpu_policy(dom.id)?;
    let before = leaf(&policy, 1)?;
    assert_eq!(before.ecx & PCLMULQDQ, PCLMULQDQ);
    policy.update_leaves(&[CpuidLeaf { ecx: before.ecx & !PCLMULQDQ, ..before }])?;
    assert_eq!(leaf(&xg.cpu_policy(dom.id)?, 1)?.ecx & PCLMULQDQ, PCLMULQDQ);
    let (_, msrs) = policy.entries()?;
    policy.update_msrs(&msrs)?;
    xg.set_cpu_policy(dom.id, &mut policy)?;
    let after = xg.cpu_policy(dom.id)?;
    assert_eq!(leaf(&after, 1)?.ecx & PCLMULQDQ, 0);
    let id = dom.id.to_string();
    assert_eq!(listed(&after)?, printed(&[&id], &format!("Domain {id}"))?);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn entries_change_alone_and_one_at_fault_is_named() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let xg = Xg::open(&dom.xc)?;
    let before = leaf(&xg.cpu_policy(dom.id)?, 1)?;
    xg.update_cpu_policy(dom.id, &[CpuidLeaf { ecx: before.ecx & !PCLMULQDQ, ..before }], &[])?;
    assert_eq!(leaf(&xg.cpu_policy(dom.id)?, 1)?.ecx & PCLMULQDQ, 0);

    let most = CpuidLeaf { eax: 0xff, ..leaf(&xg.cpu_policy(dom.id)?, 0)? };
    let too_much = xg.update_cpu_policy(dom.id, &[most], &[]).unwrap_err();
    let first = PolicyEntry::Leaf { leaf: 0, subleaf: None };
    assert_eq!((too_much.kind(), at_fault(&too_much)), (Kind::Invalid, Some(first)));
    let cause = too_much.source().ok_or("no cause")?.to_string();
    assert!(cause.starts_with("CPUID leaf 0x0: Invalid argument"), "{cause}");

    let unknown = CpuidLeaf { leaf: 0x5000_0000, ..before };
    let no_leaf = xg.update_cpu_policy(dom.id, &[unknown], &[]).unwrap_err();
    let there = PolicyEntry::Leaf { leaf: 0x5000_0000, subleaf: None };
    assert_eq!((no_leaf.kind(), at_fault(&no_leaf)), (Kind::Invalid, Some(there)));

    let tsc = Msr { index: 0x10, value: 1 };
    let no_msr = xg.update_cpu_policy(dom.id, &[], &[tsc]).unwrap_err();
    assert_eq!((no_msr.kind(), at_fault(&no_msr)), (Kind::Invalid, Some(PolicyEntry::Msr(0x10))));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_exceeds_the_host_is_incompatible_and_refused() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    let xg = Xg::open(&dom.xc)?;
    let host = xg.system_cpu_policy(SystemPolicy::HvmMax)?;
    let mut guest = xg.cpu_policy(dom.id)?;
    assert_eq!(host.compatibility(&guest)?, Compatibility::Compatible);
    let first = leaf(&guest, 0)?;
    guest.update_leaves(&[CpuidLeaf { eax: first.eax + 1, ..first }])?;
    let Compatibility::Incompatible { reasons } = host.compatibility(&guest)? else {
        return Err("compatible".into());
    };
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    assert!(reasons[0].contains("Leaf 0 subleaf 0xffffffff is not compatible"), "{reasons:?}");
    let refused = xg.set_cpu_policy(dom.id, &mut guest).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid);
    let cause = refused.source().ok_or("no cause")?.to_string();
    assert!(cause.contains("CPUID leaf 0 subleaf"), "{cause}");

    let unknown = CpuidLeaf { leaf: 0x5000_0000, ..first };
    let no_leaf = guest.update_leaves(&[unknown]).unwrap_err();
    let cause = no_leaf.source().ok_or("no cause")?.to_string();
    assert_eq!(no_leaf.kind(), Kind::Invalid);
    assert!(cause.contains("err leaf 0x50000000"), "{cause}");
    let no_msr = guest.update_msrs(&[Msr { index: 0x10, value: 1 }]).unwrap_err();
    let cause = no_msr.source().ok_or("no cause")?.to_string();
    assert_eq!(no_msr.kind(), Kind::Invalid);
    assert!(cause.contains("err index 0x10"), "{cause}");
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_policy_is_settled_once_the_domain_was_unpaused() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let xg = Xg::open(&dom.xc)?;
    let mut policy = xg.cpu_policy(dom.id)?;
    xg.set_cpu_policy(dom.id, &mut policy)?;
    dom.xc.unpause(dom.id)?;
    assert_eq!(xg.set_cpu_policy(dom.id, &mut policy).unwrap_err().kind(), Kind::Exists);
    let error = xg.update_cpu_policy(dom.id, &[], &[]).unwrap_err();
    assert_eq!((error.kind(), at_fault(&error)), (Kind::Exists, None));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn featuresets_begin_with_leaf_1_and_stay_within_what_the_library_knows() -> Outcome {
    let xg = Xg::open(&open()?)?;
    let host = xg.cpu_features(FeatureSet::Host)?;
    let first = leaf(&xg.system_cpu_policy(SystemPolicy::Host)?, 1)?;
    assert_eq!((host[0], host[1]), (first.edx, first.ecx));
    let known = xg.known_cpu_features(FeatureMask::Known)?.ok_or("no mask")?;
    assert_eq!(known.len(), host.len());
    let hvm = xg.cpu_features(FeatureSet::Hvm)?;
    let unknown: Vec<u32> = hvm.iter().zip(&known).map(|(hvm, known)| hvm & !known).collect();
    assert_eq!(unknown, vec![0; known.len()]);
    assert!(hvm[0] != 0 && hvm.iter().zip(&host).any(|(hvm, host)| hvm != host));
    Ok(())
}
