//! Guests that have as much memory as they are asked to have, and others.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use xc::{CreateConfig, GuestKind, Xc};
use xen_sim::{Hardware, Machine, Process};
use xen_types::{Bytes, DomId, DomainUuid, Gfn, MiB, PageCount, Port};
use xg::{BuildConfig, Kernel};
use xs::{Access, Client, Path, Perms, Store as _};

/// A running guest of 4 MiB whose ceiling is 8 MiB.
struct Guest {
    process: Arc<Process>,
    xc: Xc,
    store: Client,
    dom: DomId,
    has: u64,
}

impl Guest {
    fn new(kind: GuestKind, words: &str) -> Self {
        let process = Machine::start(&Hardware::default()).unwrap().process();
        let (xc, store) = (process.xc(), process.store().unwrap());
        let uuid = DomainUuid::from_bytes([7; 16]);
        let dom = xc.create_domain(&CreateConfig::new(kind, uuid, 1)).unwrap();
        xc.set_max_vcpus(dom, 1).unwrap();
        xc.set_max_mem(dom, MiB(8).to_bytes()).unwrap();
        let port = || xc.alloc_unbound_port(dom, DomId::DOM0).unwrap();
        let kernel = Kernel::from_bytes("kernel", xen_sim::kernel()).unwrap();
        let mut build = BuildConfig::new(kind, kernel, MiB(4), port(), port());
        build.cmdline = std::ffi::CString::new(words).unwrap();
        let built = process.xg().build(dom, &build).unwrap();
        let home = Path::domain(dom);
        store.mkdir(&home).unwrap();
        store.set_perms(&home, &Perms::private(DomId::DOM0).allow(dom, Access::Read)).unwrap();
        store.mkdir(&home.join("data")).unwrap();
        store.set_perms(&home.join("data"), &Perms::private(dom)).unwrap();
        let guest = Self { process, has: pages(&xc, dom), xc, store, dom };
        guest.store.write(&home.join("memory/static-max"), "4096").unwrap();
        guest.ask(4096);
        let ring: Port = build.store;
        guest.store.introduce(dom, Gfn(built.store.number()), ring).unwrap();
        guest.xc.unpause(dom).unwrap();
        guest.is_up();
        guest
    }

    fn ask(&self, kib: u64) {
        let target = Path::domain(self.dom).join("memory/target");
        self.store.write(&target, kib.to_string()).unwrap();
    }

    fn is_up(&self) {
        let up = xs::appears(Path::domain(self.dom).join("data/tiny"));
        self.store.wait(&up, self.process.machine().clock().after(MINUTE)).unwrap();
    }

    /// Waits until it has so many pages more or fewer than at first.
    fn comes_to(&self, pages_more: i64) {
        let (start, wanted) = (Instant::now(), self.has.checked_add_signed(pages_more).unwrap());
        while pages(&self.xc, self.dom) != wanted {
            let has = pages(&self.xc, self.dom);
            assert!(start.elapsed() < MINUTE, "it has {has}, and not {wanted}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn pages(xc: &Xc, dom: DomId) -> u64 {
    xc.info(dom).unwrap().current_pages.get()
}

const MINUTE: Duration = Duration::from_secs(20);

#[test]
fn a_pvh_guest_gives_up_what_it_shall_not_have_and_takes_it_back() {
    let guest = Guest::new(GuestKind::Pvh, "");
    guest.ask(3072);
    guest.comes_to(-256);
    guest.ask(4096);
    guest.comes_to(0);
}

#[test]
fn a_pv_guest_gives_up_what_it_shall_not_have_and_takes_it_back() {
    let guest = Guest::new(GuestKind::Pv, "");
    guest.ask(3072);
    guest.comes_to(-256);
    guest.ask(4096);
    guest.comes_to(0);
}

#[test]
fn a_guest_takes_back_no_more_than_its_ceiling() {
    let guest = Guest::new(GuestKind::Pvh, "");
    guest.ask(2048);
    guest.comes_to(-512);
    let ceiling = PageCount(guest.has - 100).to_bytes();
    guest.xc.set_max_mem(guest.dom, Bytes(ceiling.0)).unwrap();
    guest.ask(4096);
    guest.comes_to(-100);
}

#[test]
fn a_guest_that_goes_half_way_stays_there() {
    let guest = Guest::new(GuestKind::Pvh, "half-memory");
    guest.ask(2048);
    guest.comes_to(-256);
    // Half of what is left, and it has looked at the same target again.
    guest.ask(2048);
    guest.ask(1024);
    guest.comes_to(-512);
}

#[test]
fn a_guest_that_keeps_its_memory_follows_no_target() {
    let guest = Guest::new(GuestKind::Pvh, "keeps-memory");
    guest.ask(1024);
    // It has looked once it has answered this.
    let order = Path::domain(guest.dom).join("control/shutdown");
    guest.store.mkdir(&order).unwrap();
    guest.store.set_perms(&order, &Perms::private(guest.dom)).unwrap();
    guest.store.write(&order, "poweroff").unwrap();
    let start = Instant::now();
    while guest.xc.info(guest.dom).unwrap().shutdown.is_none() {
        assert!(start.elapsed() < MINUTE, "it does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
    guest.comes_to(0);
}
