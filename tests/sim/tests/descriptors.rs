//! What a machine takes from the real process, which nothing else runs in.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use xc::{CreateConfig, GuestKind};
use xen_sim::{Hardware, Machine, Process};
use xen_types::{DomId, DomainUuid, Gfn, MiB};
use xg::{BuildConfig, Kernel};
use xs::Client;

#[test]
fn a_domain_that_went_leaves_no_descriptor_with_the_store() {
    let machine = Machine::start(&Hardware::default()).unwrap();
    let process = machine.process();
    let (xc, store) = (process.xc(), process.store().unwrap());
    let before = open();
    let dom = introduced(&process, &store);
    assert!(open() > before);
    xc.destroy_domain(dom).unwrap();
    until_only(before);
}

/// A domain that is built, and whose ring the store serves.
fn introduced(process: &Arc<Process>, store: &Client) -> DomId {
    let (xc, kind) = (process.xc(), GuestKind::Pv);
    let config = CreateConfig::new(kind, DomainUuid::from_bytes([7; 16]), 1);
    let dom = xc.create_domain(&config).unwrap();
    xc.set_max_vcpus(dom, 1).unwrap();
    xc.set_max_mem(dom, MiB(1).to_bytes()).unwrap();
    let port = || xc.alloc_unbound_port(dom, DomId::DOM0).unwrap();
    let kernel = Kernel::from_bytes("kernel", xen_sim::kernel()).unwrap();
    let build = BuildConfig::new(kind, kernel, MiB(1), port(), port());
    let built = process.xg().build(dom, &build).unwrap();
    store.introduce(dom, Gfn(built.store.number()), build.store).unwrap();
    dom
}

/// The store hears of the end of a domain when it looks.
fn until_only(before: usize) {
    let start = Instant::now();
    while open() > before {
        assert!(start.elapsed() < Duration::from_secs(10), "{} open, not {before}", open());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Those that the store learns of events by; others come and go with the connections.
fn open() -> usize {
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let links = descriptors.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    links.filter(|link| link.as_os_str() == "anon_inode:[eventfd]").count()
}
