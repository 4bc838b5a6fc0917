//! The security module FLASK, which Debian's Xen is built without: each call is refused by Xen.

use xc::{Enforcement, GuestKind, Kind, Labelled, Pirq, Sid};
use xen_types::{Mfn, Sbdf};

use crate::support::{Domain, Outcome, open};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn without_flask_there_is_no_policy() -> Outcome {
    let xc = open()?;
    let refused = [
        xc.load_flask_policy(b"no policy").unwrap_err(),
        xc.flask_policy_version().unwrap_err(),
        xc.flask_enforcement().unwrap_err(),
        xc.set_flask_enforcement(Enforcement::Permissive).unwrap_err(),
        xc.flask_bool_at(0).unwrap_err(),
        xc.flask_bool(c"prot_doms_locked").unwrap_err(),
        xc.set_flask_bool(c"prot_doms_locked", false).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::Unavailable; 7]);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn without_flask_nothing_has_a_label() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    let (xc, context) = (&dom.xc, c"system_u:system_r:domU_t");
    let refused = [
        xc.flask_sid(context).unwrap_err(),
        xc.flask_context(Sid(1)).unwrap_err(),
        xc.relabel_domain(dom.id, Sid(1)).unwrap_err(),
        xc.flask_access(context, context, 1, 1).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::Unavailable; 4]);
    let resources = [
        Labelled::Pirq(Pirq(9)),
        Labelled::IoPorts(0x60..=0x60),
        Labelled::IoMemory(Mfn(0xa0)..=Mfn(0xbf)),
        Labelled::Device(Sbdf::new(0, 0, 0, 0).ok_or("an address")?),
    ];
    let added = resources.each_ref().map(|r| xc.add_flask_label(r, context).unwrap_err().kind());
    let removed = resources.each_ref().map(|r| xc.remove_flask_label(r).unwrap_err().kind());
    assert_eq!((added, removed), ([Kind::Unavailable; 4], [Kind::Unavailable; 4]));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn without_flask_there_is_no_cache_of_decisions() -> Outcome {
    let xc = open()?;
    let refused = [
        xc.avc_hash_stats().unwrap_err(),
        xc.avc_cpu_stats().map(drop).unwrap_err(),
        xc.avc_threshold().unwrap_err(),
        xc.set_avc_threshold(512).unwrap_err(),
    ];
    assert_eq!(refused.map(|e| e.kind()), [Kind::Unavailable; 4]);
    Ok(())
}
