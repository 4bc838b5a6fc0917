//! Ends of a channel whose other end plays foul.

use std::sync::Arc;
use std::time::Duration;

use xc::grant::Access;

use super::fake::Machine;
use super::layout::{AWAITED, CLIENT_LIVES, GONE, Orders, THERE};
use super::*;

const PATH: Path = Path::from_static("/local/domain/0/data/test");

/// Both ends, without a store; the first page shared is page 0 of the memory.
fn ends() -> (Channel, Channel, Arc<Machine>) {
    let machine = Machine::new();
    let shares = machine.shares();
    let control = shares.share(DomId::DOM0, 1, Access::Write).unwrap();
    let events = machine.events();
    let bell = events.bind_unbound_port(DomId::DOM0).unwrap();
    let found = Found { page: control.refs()[0], port: bell.port() };
    let orders = Orders::for_bytes(1024, 2048).unwrap();
    let core = Core::serve(control, orders, None, None).unwrap();
    let server = Channel { published: None, core, bell, events, path: PATH };
    let (grants, events) = (machine.grants(), machine.events());
    let client = Channel::attend(&grants, &events, &PATH, DomId::DOM0, found).unwrap();
    (server, client, machine)
}

fn passed() -> Deadline {
    Deadline::after(Duration::ZERO)
}

#[test]
fn a_peer_that_rings_without_end_does_not_put_the_deadline_off() {
    let (mut server, client, machine) = ends();
    machine.ring_on(1000);
    client.bell.notify().unwrap();
    assert_eq!(server.read(&mut [0], passed()).unwrap_err().kind(), Kind::TimedOut);
    assert_eq!(server.write_all(&[0; 2049], passed()).unwrap_err().kind(), Kind::TimedOut);
    machine.memory().store_u8(CLIENT_LIVES, AWAITED).unwrap();
    let error = server.wait_connected(passed()).unwrap_err();
    assert_eq!(error.cause().to_string(), "waited for a client, last seen: none yet");
    assert_eq!(server.wait(passed()).unwrap_err().kind(), Kind::TimedOut);
    assert_eq!(machine.echoes(), 1000, "how many rings were not listened to");
}

#[test]
fn a_client_that_takes_its_going_back_stays_gone_and_its_last_bytes_are_read() {
    let (mut server, mut client, machine) = ends();
    client.try_write(b"bye").unwrap();
    machine.memory().store_u8(CLIENT_LIVES, GONE).unwrap();
    assert!(!server.is_open().unwrap());
    machine.memory().store_u8(CLIENT_LIVES, THERE).unwrap();
    assert!(!server.is_open().unwrap());
    assert_eq!(server.try_write(b"x").unwrap_err().kind(), Kind::Gone);
    assert_eq!(server.wait_connected(passed()).unwrap_err().kind(), Kind::Gone);
    let mut read = [0; 4];
    assert_eq!(server.try_read(&mut read).unwrap(), Some(3));
    assert_eq!(&read[..3], b"bye");
    assert_eq!(server.try_read(&mut read).unwrap_err().kind(), Kind::Gone);
}
