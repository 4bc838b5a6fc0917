//! A domain that the tests play is a guest to the daemon, with a guest's rights.

use store_daemons::{Daemon, Kind};

use crate::wire::{
    Connection, ERROR, GET_DOMAIN_PATH, Guest, INTRODUCE, READ, REQUESTS_PRODUCED, SET_PERMS,
    WATCH, WRITE,
};
use crate::{dom, introduce};

fn a_guest_gets_an_answer(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let domain = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &domain);
    let mut guest = Guest(domain.ring().unwrap());
    let reply = guest.request(GET_DOMAIN_PATH, b"7\0");
    assert_eq!(reply, (GET_DOMAIN_PATH, b"/local/domain/7\0".to_vec()));
}

/// A guest that asked and notified, and was introduced only then.
fn an_early_guest(kind: Kind) -> (Daemon, Guest) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let domain = daemon.add_domain(dom(7)).unwrap();
    let mut guest = Guest(domain.ring().unwrap());
    guest.send(GET_DOMAIN_PATH, b"7\0");
    // Once it answers this, it has looked at the guest's notification in vain.
    assert_eq!(dom0.request(WRITE, b"/a\0value").0, WRITE);
    introduce(&mut dom0, &domain);
    (daemon, guest)
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn oxenstored_answers_what_a_guest_asked_before_its_introduction() {
    let (_daemon, mut guest) = an_early_guest(Kind::OCaml);
    assert_eq!(guest.receive(), (GET_DOMAIN_PATH, b"/local/domain/7\0".to_vec()));
}

/// `domain_conn_reset` in xenstored 4.17.
#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn xenstored_empties_the_ring_of_a_guest_that_it_is_introduced_to() {
    let (_daemon, mut guest) = an_early_guest(Kind::C);
    assert_eq!(guest.0.load(REQUESTS_PRODUCED).unwrap(), 0);
    assert_eq!(guest.request(GET_DOMAIN_PATH, b"7\0").0, GET_DOMAIN_PATH);
}

fn a_guest_may_not_write_what_is_dom0s(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    assert_eq!(dom0.request(WRITE, b"/private\0secret").0, WRITE);
    let domain = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &domain);
    let mut guest = Guest(domain.ring().unwrap());
    assert_eq!(guest.request(WRITE, b"/private\0mine"), (ERROR, b"EACCES\0".to_vec()));
    assert_eq!(dom0.request(READ, b"/private\0"), (READ, b"secret".to_vec()));
}

/// 2000 bytes do not fit into the ring at once, and end beyond where it wraps.
fn a_value_longer_than_the_ring_passes_it(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let long = [b"/long\0".as_slice(), &[b'x'; 2000]].concat();
    assert_eq!(dom0.request(WRITE, &long).0, WRITE);
    assert_eq!(dom0.request(SET_PERMS, b"/long\0r0\0").0, SET_PERMS);
    let domain = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &domain);
    let mut guest = Guest(domain.ring().unwrap());
    assert_eq!(guest.request(READ, b"/long\0"), (READ, vec![b'x'; 2000]));
}

fn only_a_domain_that_exists_is_introduced(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let domain = daemon.add_domain(dom(7)).unwrap();
    daemon.remove_domain(dom(7)).unwrap();
    assert_eq!(dom0.request(INTRODUCE, &domain.introduction()).0, ERROR);
}

fn an_id_can_be_used_again(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    introduce(&mut dom0, &daemon.add_domain(dom(7)).unwrap());
    assert_eq!(dom0.request(WATCH, b"@releaseDomain\0t\0").0, WATCH);
    dom0.event();
    daemon.remove_domain(dom(7)).unwrap();
    dom0.event();
    let second = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &second);
    let mut guest = Guest(second.ring().unwrap());
    assert_eq!(guest.request(GET_DOMAIN_PATH, b"7\0").0, GET_DOMAIN_PATH);
}

crate::on_both! {
    a_guest_gets_an_answer,
    a_guest_may_not_write_what_is_dom0s,
    a_value_longer_than_the_ring_passes_it,
    only_a_domain_that_exists_is_introduced,
    an_id_can_be_used_again,
}
