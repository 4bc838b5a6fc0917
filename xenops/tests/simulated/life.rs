//! Domains that live: created, asked to stop, ended.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::thread;
use std::time::{Duration, Instant};

use xen_sim::Which;
use xen_types::{DomId, ShutdownReason};
use xenops::{CreateOptions, GuestKind, Host, Kind, Remnant, VbdConfig, VifConfig};
use xs::{Path, Store as _, View as _};

use crate::site::{Site, is_up, long};

#[test]
fn a_paravirtual_guest_is_asked_to_stop_and_goes_without_a_trace() {
    let site = Site::new();
    let (host, before) = (site.host(), site.machine.snapshot().unwrap());
    let dom = site.create(&host, GuestKind::Pv, "").unwrap();
    is_up(&host, dom);
    host.shut_down(dom, &long(&host)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_guest_that_hears_nothing_is_left_running_with_the_request_standing() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    is_up(&host, dom);
    let error = host.shut_down(dom, &long(&host)).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    assert_eq!(host.xc().info(dom).unwrap().shutdown, None);
    let order = Path::domain(dom).join("control/shutdown");
    assert_eq!(host.store().read(&order).unwrap(), b"poweroff");
}

#[test]
fn a_deaf_guest_comes_and_goes_within_a_moment_though_a_minute_is_waited_for_it() {
    let site = Site::new();
    let (host, before) = (site.host(), site.machine.snapshot().unwrap());
    let (start, machines) = (Instant::now(), host.store().clock().now());
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    assert_eq!(host.shut_down(dom, &long(&host)).unwrap_err().kind(), Kind::TimedOut);
    host.destroy(dom, &long(&host)).unwrap();
    assert!(host.store().clock().now() >= machines + Duration::from_secs(60));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    before.assert_unchanged(&site.machine);
}

/// Does something by a toolstack for which the hypervisor takes longer to destroy a domain than the rest of
/// a removal has, after which the machine is as it was.
fn with_a_large_domain(operation: impl FnOnce(&Site, &Host)) {
    let site = Site::new();
    let process = site.machine.process();
    let host = site.driving(&process);
    let clock = host.store().clock().clone();
    let (before, start) = (site.machine.snapshot().unwrap(), clock.now());
    let at = clock.clone();
    process.before(Which::NthOf("xc_domain_destroy", 1), move || at.sleep(A_WHILE));
    operation(&site, &host);
    assert!(clock.now() - start >= A_WHILE);
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_domain_that_takes_long_to_be_destroyed_leaves_nothing() {
    with_a_large_domain(|site, host| {
        let dom = site.create(host, GuestKind::Pvh, "deaf").unwrap();
        host.destroy(dom, &long(host)).unwrap();
    });
}

#[test]
fn a_domain_that_was_not_made_and_takes_long_to_be_destroyed_leaves_nothing() {
    with_a_large_domain(|site, host| {
        let mut config = site.config(GuestKind::Pvh, "");
        config.vbd.push(VbdConfig::new("xvda", "/no/such/disk"));
        let error = host.create(&config, CreateOptions::default(), &long(host)).unwrap_err();
        assert!(error.leftovers().is_empty(), "{error:?}");
    });
}

#[test]
fn a_guest_that_stopped_as_its_time_was_up_is_removed_though_another_holds_it_for_a_moment() {
    let site = Site::new();
    let before = site.machine.snapshot().unwrap();
    let dom = site.create(&site.host(), GuestKind::Pvh, "").unwrap();
    let process = site.machine.process();
    let host = site.driving(&process);
    is_up(&host, dom);
    let uuid = host.xc().info(dom).unwrap().uuid;
    let lock = site.path(&format!("userdata-l.{dom}.{uuid}.domain-userdata-lock"));
    let (clock, machine) = (host.store().clock().clone(), site.machine.clone());
    // It is asked, and answers while the deed is done.
    process.before(Which::NthOf("xc_domain_getinfolist", 4), move || {
        let lock = File::create(lock).unwrap();
        lock.lock().unwrap();
        clock.sleep(Duration::from_secs(6));
        let hold = machine.hold_clock();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            drop((lock, hold));
        });
    });
    let (start, given) = (host.store().clock().now(), Duration::from_secs(5));
    host.shut_down(dom, &host.limits(given)).unwrap();
    assert!(host.store().clock().now() - start > given);
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_domain_whose_page_another_program_has_is_named_after_the_time_that_its_end_is_given() {
    let site = Site::new();
    let (host, backend) = (site.host(), site.machine.process());
    let dom = site.create(&host, GuestKind::Pvh, "deaf").unwrap();
    let page = backend.map_page(dom, 0).unwrap();
    let before = host.store().clock().now();
    let error = host.destroy(dom, &long(&host)).unwrap_err();
    assert_eq!(error.leftovers().len(), 1, "{error:?}");
    assert!(matches!(error.leftovers()[0].what, Remnant::Domain(_)), "{error:?}");
    assert!(host.store().clock().now() >= before + Duration::from_secs(5));
    drop(page);
    assert_eq!(host.xc().info(dom).unwrap_err().kind(), Kind::NotFound);
}

#[test]
fn a_guest_that_acknowledges_and_does_nothing_is_told_from_a_deaf_one() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pv, "lazy").unwrap();
    is_up(&host, dom);
    let error = host.shut_down(dom, &long(&host)).unwrap_err();
    let text = std::error::Error::source(&error).unwrap().to_string();
    assert!(text.ends_with("the request is acknowledged"), "{text}");
}

#[test]
fn a_guest_that_crashes_when_asked_to_stop_is_left_to_be_looked_at() {
    let site = Site::new();
    let host = site.host();
    let dom = site.create(&host, GuestKind::Pvh, "crash-asked").unwrap();
    is_up(&host, dom);
    host.shut_down(dom, &long(&host)).unwrap_err();
    assert_eq!(host.xc().info(dom).unwrap().shutdown, Some(ShutdownReason::Crash));
}

#[test]
fn what_one_toolstack_made_another_one_removes() {
    let site = Site::new();
    let before = site.machine.snapshot().unwrap();
    let first = site.machine.process();
    let dom = site.create(&site.host_of(&first), GuestKind::Pvh, "").unwrap();
    let second = site.host();
    is_up(&second, dom);
    first.kill();
    second.destroy(dom, &long(&second)).unwrap();
    before.assert_unchanged(&site.machine);
}

#[test]
fn a_guest_is_restored_only_with_the_addresses_that_it_had() {
    let site = Site::new();
    let (host, before) = (site.host(), site.machine.snapshot().unwrap());
    let mut config = site.config(GuestKind::Pvh, "");
    config.vif.push(VifConfig::new("xenbr0"));
    let saved = File::open("/dev/null").unwrap();

    let error = host.restore(saved.as_fd(), &config, CreateOptions::default(), &long(&host));

    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    assert!(error.cause().to_string().starts_with("vif.mac is missing"), "{error:?}");
    before.assert_unchanged(&site.machine);
}

#[test]
fn what_a_gone_domains_home_leads_to_elsewhere_is_not_removed() {
    let site = Site::new();
    let (host, dom) = (site.host(), DomId::new(77).unwrap());
    let (vm, other) = (Path::domain(dom).join("vm"), Path::from_static("/local/domain/0/other"));
    host.store().write(&vm, other.as_str()).unwrap();
    host.store().write(&other, "kept").unwrap();
    let before = site.machine.snapshot().unwrap();
    assert_eq!(host.destroy(dom, &long(&host)).unwrap_err().kind(), Kind::Invalid);
    before.assert_unchanged(&site.machine);
}

/// Longer than a removal has.
const A_WHILE: Duration = Duration::from_secs(11);
