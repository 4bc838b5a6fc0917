//! The memory of domains.

mod maps;
mod numa;
mod physmap;
mod pod;
mod reservation;

use std::process::Command;

use xc::{GuestKind, Kind};
use xen_types::{Bytes, MiB, PageCount};

use crate::support::{Domain, Outcome};

/// A domain that may have 4096 pages, with a paging pool if it is to have page tables of Xen's.
fn roomy(kind: GuestKind) -> xc::Result<Domain> {
    let dom = Domain::empty(kind)?;
    dom.xc.set_max_mem(dom.id, MiB(16).to_bytes())?;
    if kind != GuestKind::Pv {
        dom.xc.set_paging_pool(dom.id, MiB(2).to_bytes())?;
    }
    Ok(dom)
}

/// What Xen prints for a debug key.
fn debug_key(key: &str) -> Result<String, Box<dyn std::error::Error>> {
    let xl = |args: &[&str]| Command::new("xl").args(args).output();
    xl(&["dmesg", "-c"])?;
    assert!(xl(&["debug-keys", key])?.status.success());
    Ok(String::from_utf8(xl(&["dmesg"])?.stdout)?)
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_memory_ceiling_rounds_up_to_a_page() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, Bytes(4097))?;
    assert_eq!(dom.xc.info(dom.id)?.max_pages, PageCount(2));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_claim_is_outstanding_until_given_back() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(4).to_bytes())?;
    dom.xc.claim_pages(dom.id, PageCount(512))?;
    assert_eq!(dom.xc.info(dom.id)?.outstanding_pages, PageCount(512));
    assert!(dom.xc.physinfo()?.outstanding >= PageCount(512));
    dom.xc.claim_pages(dom.id, PageCount(0))?;
    assert_eq!(dom.xc.info(dom.id)?.outstanding_pages, PageCount(0));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_claim_beyond_the_hosts_memory_is_refused() -> Outcome {
    let dom = Domain::empty(GuestKind::Pv)?;
    dom.xc.set_max_mem(dom.id, MiB(1 << 20).to_bytes())?;
    let error = dom.xc.claim_pages(dom.id, MiB(1 << 20).to_pages()).unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_paging_pool_has_the_size_it_was_given() -> Outcome {
    let dom = Domain::empty(GuestKind::Pvh)?;
    dom.xc.set_paging_pool(dom.id, MiB(5).to_bytes())?;
    assert_eq!(dom.xc.paging_pool(dom.id)?, MiB(5).to_bytes());
    Ok(())
}
