//! A real unprivileged guest on its ring, with xenstored and with oxenstored on the other side.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use store_daemons::{Daemon, Ring};
use xen_types::DomId;
use xs::ring::{Bell, Page, features, reconnect};
use xs::{Access, Client, Deadline, ErrorCode, Features, Kind, Path, Perms, Store, View};

/// Makes of each function a test on xenstored and one on oxenstored.
macro_rules! on_both {
    ($($fact:ident),* $(,)?) => {
        mod c {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::$fact(store_daemons::Kind::C);
                }
            )*
        }

        mod ocaml {
            $(
                #[test]
                #[ignore = "needs the daemons: cargo xtask daemons test"]
                fn $fact() {
                    super::$fact(store_daemons::Kind::OCaml);
                }
            )*
        }
    };
}

on_both! {
    a_guest_has_its_home_and_nothing_else,
    a_guest_sees_what_dom0_changes,
    a_guest_commits_and_discards_transactions,
    a_flight_longer_than_the_ring_lands,
    eight_threads_share_the_ring_of_a_guest,
    a_value_longer_than_the_ring_arrives,
    a_daemon_that_dies_costs_until_the_deadline,
    a_stopped_daemon_costs_until_the_deadline_and_nothing_is_lost,
    a_guest_begins_anew_where_the_store_offers_it,
}

/// The guest's end of the page and the event channel.
struct End(Ring);

impl Page for End {
    fn load(&self, offset: usize) -> u32 {
        self.0.load(offset).unwrap()
    }

    fn store(&self, offset: usize, value: u32) {
        self.0.store(offset, value).unwrap();
    }

    fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.0.read(offset, bytes).unwrap();
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        self.0.write(offset, bytes).unwrap();
    }
}

impl Bell for End {
    fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    fn ring(&self) -> io::Result<()> {
        self.0.notify()
    }

    fn acknowledge(&self) -> io::Result<()> {
        self.0.acknowledge()
    }
}

struct Machine {
    daemon: Daemon,
    dom0: Client,
    end: Arc<End>,
    guest: Client,
    home: Path,
}

/// A daemon with a guest that has been introduced and owns its home.
fn machine(kind: store_daemons::Kind) -> Machine {
    let daemon = Daemon::start(kind).unwrap();
    let dom0 = Client::connect(daemon.socket()).unwrap();
    let id = DomId::new(7).unwrap();
    let domain = daemon.add_domain(id).unwrap();
    let home = Path::domain(id);
    dom0.mkdir(&home).unwrap();
    dom0.set_perms(&home, &Perms::private(id)).unwrap();
    dom0.introduce(id, domain.gfn(), domain.port()).unwrap();
    let end = Arc::new(End(domain.ring().unwrap()));
    let guest = Client::over_ring(end.clone(), end.clone()).unwrap();
    Machine { daemon, dom0, end, guest, home }
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

fn briefly() -> Deadline {
    Deadline::after(Duration::from_millis(300))
}

fn a_guest_has_its_home_and_nothing_else(kind: store_daemons::Kind) {
    let Machine { dom0, guest, home, .. } = &machine(kind);
    let name = home.join("name");
    guest.write(&name, "alpha").unwrap();
    assert_eq!(guest.read(&name).unwrap(), b"alpha");
    // Paths are relative to a guest's own home.
    assert_eq!(guest.read(&Path::new("name").unwrap()).unwrap(), b"alpha");
    assert_eq!(dom0.read(&name).unwrap(), b"alpha");
    let elsewhere = Path::from_static("/tool");
    dom0.write(&elsewhere, "dom0's").unwrap();
    let refused = guest.write(&elsewhere, "mine").unwrap_err();
    assert_eq!((refused.kind(), refused.code()), (Kind::Denied, Some(&ErrorCode::Eacces)));
    assert_eq!(guest.read(&elsewhere).unwrap_err().kind(), Kind::Denied);
    assert_eq!(dom0.read(&elsewhere).unwrap(), b"dom0's");
    dom0.set_perms(
        &elsewhere,
        &Perms::private(DomId::DOM0).allow(DomId::new(7).unwrap(), Access::Read),
    )
    .unwrap();
    assert_eq!(guest.read(&elsewhere).unwrap(), b"dom0's");
}

fn a_guest_sees_what_dom0_changes(kind: store_daemons::Kind) {
    let Machine { dom0, guest, home, .. } = &machine(kind);
    let mut watch = guest.watch(home).unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), home);
    let node = home.join("control/shutdown");
    dom0.write(&node, "poweroff").unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &node);
    assert!(watch.try_next().unwrap().is_none());
    drop(watch);
    dom0.write(&node, "again").unwrap();
    assert_eq!(guest.read(&node).unwrap(), b"again");
}

fn a_guest_commits_and_discards_transactions(kind: store_daemons::Kind) {
    let Machine { dom0, guest, home, .. } = &machine(kind);
    let (kept, dropped) = (home.join("kept"), home.join("dropped"));
    guest.transaction(|tx| tx.write(&kept, "1")).unwrap();
    let refused = guest.transaction(|tx| {
        tx.write(&dropped, "1")?;
        tx.write(&Path::from_static("/elsewhere"), "1")
    });
    assert_eq!(refused.unwrap_err().kind(), Kind::Denied);
    assert_eq!(dom0.read(&kept).unwrap(), b"1");
    assert_eq!(dom0.read_opt(&dropped).unwrap(), None);
}

fn a_flight_longer_than_the_ring_lands(kind: store_daemons::Kind) {
    let Machine { guest, home, .. } = &machine(kind);
    let paths: Vec<_> = (0..100).map(|n| Path::new(format!("{home}/data/{n}")).unwrap()).collect();
    for (n, path) in paths.iter().enumerate() {
        guest.write(path, format!("value {n}")).unwrap();
    }
    let values = guest.read_each(&paths).unwrap();
    let expected = (0..100).map(|n| Some(format!("value {n}").into_bytes())).collect::<Vec<_>>();
    assert_eq!(values, expected);
}

fn eight_threads_share_the_ring_of_a_guest(kind: store_daemons::Kind) {
    let Machine { guest, home, .. } = &machine(kind);
    thread::scope(|scope| {
        for thread in 0..8 {
            scope.spawn(move || {
                let node = Path::new(format!("{home}/data/{thread}")).unwrap();
                for n in 0..20 {
                    let value = format!("{thread}: {n}");
                    guest.write(&node, &value).unwrap();
                    assert_eq!(guest.read(&node).unwrap(), value.as_bytes());
                }
            });
        }
    });
}

fn a_value_longer_than_the_ring_arrives(kind: store_daemons::Kind) {
    let Machine { guest, home, .. } = &machine(kind);
    let node = home.join("long");
    let value: Vec<u8> = (0..=255).cycle().take(2000).collect();
    guest.write(&node, &value).unwrap();
    assert_eq!(guest.read(&node).unwrap(), value);
}

fn a_daemon_that_dies_costs_until_the_deadline(kind: store_daemons::Kind) {
    let Machine { mut daemon, guest, home, .. } = machine(kind);
    let start = Instant::now();
    thread::scope(|scope| {
        let mut watch = guest.watch(&home).unwrap();
        assert_eq!(watch.wait(soon()).unwrap().path(), &home);
        let limit = Deadline::after(Duration::from_secs(2));
        let waiter = scope.spawn(move || watch.wait(limit).unwrap_err().kind());
        daemon.kill().unwrap();
        let error = guest.with_deadline(briefly()).read(&home).unwrap_err();
        assert_eq!(error.kind(), Kind::TimedOut);
        assert_eq!(waiter.join().unwrap(), Kind::TimedOut);
    });
    assert!(start.elapsed() < Duration::from_secs(15));
}

fn a_stopped_daemon_costs_until_the_deadline_and_nothing_is_lost(kind: store_daemons::Kind) {
    let Machine { daemon, guest, home, .. } = &machine(kind);
    let (node, paths) = (home.join("n"), vec![home.clone(); 100]);
    guest.write(&node, "before").unwrap();
    daemon.stop().unwrap();
    let error = guest.with_deadline(briefly()).read_each(&paths).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut);
    daemon.cont().unwrap();
    assert_eq!(guest.read(&node).unwrap(), b"before");
}

/// oxenstored does; xenstored of 4.17 does not.
fn a_guest_begins_anew_where_the_store_offers_it(kind: store_daemons::Kind) {
    let Machine { daemon: _daemon, end, guest, home, .. } = machine(kind);
    let mut watch = guest.watch(&home).unwrap();
    assert_eq!(watch.wait(soon()).unwrap().path(), &home);
    let offered = features(&end).contains(Features::RECONNECTION);
    assert_eq!(offered, kind == store_daemons::Kind::OCaml);
    let reconnected = reconnect(&end, &end, soon()).map_err(|error| error.kind());
    assert_eq!(reconnected, if offered { Ok(()) } else { Err(Kind::Unavailable) });
    let again = Client::over_ring(end.clone(), end).unwrap();
    again.write(&home.join("n"), "1").unwrap();
    assert_eq!(again.read(&home.join("n")).unwrap(), b"1");
}
