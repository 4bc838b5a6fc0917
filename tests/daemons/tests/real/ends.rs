//! What the hypervisor tells of a domain's end reaches the daemon, and so those who watch.

use store_daemons::{Daemon, Domain, Kind, ShutdownReason};

use crate::wire::{Connection, IS_DOMAIN_INTRODUCED, WATCH};
use crate::{dom, introduce};

/// A daemon with domain 7, and a connection that watches for the ends of domains.
fn watched(kind: Kind) -> (Daemon, Connection, Domain) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let domain = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &domain);
    assert_eq!(dom0.request(WATCH, b"@releaseDomain\0token\0").0, WATCH);
    // Every watch fires once at once.
    assert_eq!(dom0.event(), RELEASED);
    (daemon, dom0, domain)
}

fn is_introduced(dom0: &mut Connection) -> Vec<u8> {
    dom0.request(IS_DOMAIN_INTRODUCED, b"7\0").1
}

fn a_dying_domain_is_released(kind: Kind) {
    let (daemon, mut dom0, _) = watched(kind);
    assert_eq!(is_introduced(&mut dom0), b"T\0");
    daemon.kill_domain(dom(7)).unwrap();
    assert_eq!(dom0.event(), RELEASED);
    assert_eq!(is_introduced(&mut dom0), b"F\0");
}

fn a_domain_that_is_gone_is_released(kind: Kind) {
    let (daemon, mut dom0, _) = watched(kind);
    daemon.remove_domain(dom(7)).unwrap();
    assert_eq!(dom0.event(), RELEASED);
    assert_eq!(is_introduced(&mut dom0), b"F\0");
}

/// The toolstack may want to look at it.
fn a_domain_that_shut_down_stays_introduced(kind: Kind) {
    let (daemon, mut dom0, _) = watched(kind);
    daemon.shut_down(dom(7), ShutdownReason::Poweroff).unwrap();
    assert_eq!(dom0.event(), RELEASED);
    assert_eq!(is_introduced(&mut dom0), b"T\0");
}

const RELEASED: &[u8] = b"@releaseDomain\0token\0";

crate::on_both! {
    a_dying_domain_is_released,
    a_domain_that_is_gone_is_released,
    a_domain_that_shut_down_stays_introduced,
}
