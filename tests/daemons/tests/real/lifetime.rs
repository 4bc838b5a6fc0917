//! Starting, stopping, restarting, and that nothing is left.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use store_daemons::{Daemon, Kind, Setup};

use crate::wire::{CONTROL, Connection, ERROR, GET_DOMAIN_PATH, Guest, READ, WRITE};
use crate::{dom, introduce};

fn what_dom0_writes_it_reads(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    assert_eq!(dom0.request(WRITE, b"/a\0value").0, WRITE);
    assert_eq!(dom0.request(READ, b"/a\0"), (READ, b"value".to_vec()));
}

fn two_at_once_have_stores_of_their_own(kind: Kind) {
    let (one, other) = (Daemon::start(kind).unwrap(), Daemon::start(kind).unwrap());
    assert_eq!(Connection::open(one.socket()).request(WRITE, b"/a\0value").0, WRITE);
    assert_eq!(Connection::open(other.socket()).request(READ, b"/a\0").0, ERROR);
}

fn a_restarted_daemon_is_empty_and_serves_the_same_domains(kind: Kind) {
    let mut daemon = Daemon::start(kind).unwrap();
    let socket = daemon.socket().to_owned();
    assert_eq!(Connection::open(&socket).request(WRITE, b"/a\0value").0, WRITE);
    let domain = daemon.add_domain(dom(7)).unwrap();
    let before = daemon.pid();
    daemon.kill().unwrap();
    daemon.restart().unwrap();
    assert_ne!(daemon.pid(), before);
    let mut dom0 = Connection::open(&socket);
    assert_eq!(dom0.request(READ, b"/a\0"), (ERROR, b"ENOENT\0".to_vec()));
    introduce(&mut dom0, &domain);
    let reply = Guest(domain.ring().unwrap()).request(GET_DOMAIN_PATH, b"7\0");
    assert_eq!(reply.0, GET_DOMAIN_PATH);
}

/// Asks until the daemon has got round to it.
fn live_update(dom0: &mut Connection, program: &Path) {
    let program = program.to_str().unwrap();
    let set = format!("live-update\0-f\0{program}\0");
    assert_eq!(dom0.request(CONTROL, set.as_bytes()), (CONTROL, b"OK\0".to_vec()));
    while dom0.request(CONTROL, b"live-update\0-s\0").1 == b"BUSY\0" {}
}

#[test]
#[ignore = "needs the daemons: cargo xtask daemons test"]
fn xenstored_keeps_its_guests_over_a_live_update() {
    let daemon = Daemon::start(Kind::C).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    let domain = daemon.add_domain(dom(7)).unwrap();
    introduce(&mut dom0, &domain);
    let mut guest = Guest(domain.ring().unwrap());
    let process = PathBuf::from(format!("/proc/{}", daemon.pid()));
    live_update(&mut dom0, &fs::read_link(process.join("exe")).unwrap());
    // With this flag it starts itself anew.
    assert!(fs::read(process.join("cmdline")).unwrap().ends_with(b"\0-U\0"));
    assert_eq!(guest.request(GET_DOMAIN_PATH, b"7\0").0, GET_DOMAIN_PATH);
}

/// The letter of its state in /proc/PID/stat, behind the name in parentheses, if it exists.
fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn a_stopped_daemon_answers_when_it_goes_on(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let mut dom0 = Connection::open(daemon.socket());
    daemon.stop().unwrap();
    assert_eq!(state(daemon.pid()), Some('T'));
    daemon.cont().unwrap();
    assert_eq!(dom0.request(WRITE, b"/a\0value").0, WRITE);
}

/// Whether it runs or could go on: not so one that only waits for its parent to take notice.
fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

fn nothing_survives_a_drop(kind: Kind) {
    let daemon = Daemon::start(kind).unwrap();
    let (pid, folder) = (daemon.pid(), daemon.socket().parent().unwrap().to_owned());
    assert!(is_alive(pid));
    assert!(folder.exists());
    drop(daemon);
    assert_eq!(state(pid), None);
    assert!(!folder.exists());
}

/// Even one that is stopped.
fn no_daemon_survives_a_test_that_is_killed(kind: Kind) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "lifetime::holds_a_stopped_daemon", "--ignored", "--nocapture"])
        .env(HELD, kind.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let held = lines
        .map(|line| line.unwrap())
        .find_map(|line| Some(line.split_once("held: ")?.1.to_owned()));
    let held = held.unwrap();
    let (pid, folder) = held.split_once(' ').unwrap();
    let (pid, folder) = (pid.parse().unwrap(), PathBuf::from(folder));
    assert!(is_alive(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    // The kernel sends the signal before our wait returns, but nobody waits for its effect.
    let gone = (0..1000).any(|_| {
        std::thread::sleep(Duration::from_millis(5));
        !is_alive(pid)
    });
    fs::remove_dir_all(folder).unwrap();
    assert!(gone);
}

/// No test of its own: what the one above kills.
#[test]
#[ignore = "a part of no_daemon_survives_a_test_that_is_killed"]
fn holds_a_stopped_daemon() {
    let Ok(kind) = env::var(HELD) else { return };
    let kind = Kind::ALL.into_iter().find(|one| one.to_string() == kind).unwrap();
    let daemon = Daemon::start(kind).unwrap();
    daemon.stop().unwrap();
    println!("held: {} {}", daemon.pid(), daemon.socket().parent().unwrap().display());
    loop {
        std::thread::park();
    }
}

const HELD: &str = "STORE_DAEMONS_TEST_HOLDS";

fn a_daemon_that_ends_at_once_is_an_error_with_its_words(kind: Kind) {
    // xenstored complains of the one and ends at the other, oxenstored ends at once.
    let setup = Setup::new(kind).flag("--no-such-flag").flag("unwanted");
    let text = setup.start().unwrap_err().to_string();
    assert!(text.contains("it ended") && text.contains("no-such-flag"), "{text}");
}

#[test]
fn without_daemons_the_error_says_how_to_get_them() {
    let empty = Path::new("/nonexistent");
    let error = Setup::new(Kind::C).installed_in(empty).start().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().contains("`cargo xtask daemons`"), "{error}");
}

crate::on_both! {
    what_dom0_writes_it_reads,
    two_at_once_have_stores_of_their_own,
    a_restarted_daemon_is_empty_and_serves_the_same_domains,
    a_stopped_daemon_answers_when_it_goes_on,
    nothing_survives_a_drop,
    no_daemon_survives_a_test_that_is_killed,
    a_daemon_that_ends_at_once_is_an_error_with_its_words,
}
