//! Channels between two processes of dom0, on a real Xen.

mod dom0;
mod roles;
mod waiting;

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dom0::{grants_in_use, ok, run, until};
use eventchn::EventChannels;
use roles::{Actor, argument, role, say};
use waiting::soon;
use xc::grant::{Grants, Shares};
use xen_types::Bytes;
use xenops::channel::{Channel, Offer};
use xenops::{Deadline, DomId, Kind};
use xs::{Client, Path};

type Outcome = Result<(), Box<dyn std::error::Error>>;

const MIB: usize = 1 << 20;

/// A path of this test's own, as long as libxenvchan can have it: 49 bytes.
fn path(test: &str) -> Path {
    CHANNELS.try_join(&test[..20]).expect("a test's name")
}

const CHANNELS: Path = Path::from_static("/local/domain/0/data/channel");

/// Leaves no folder behind, as killed processes do.
struct Clean;

impl Drop for Clean {
    fn drop(&mut self) {
        run("xenstore-rm", &[CHANNELS.as_str()]);
    }
}

fn offer(test: &str, size: u64) -> xenops::Result<Channel> {
    let (store, shares) = (Client::open().expect("a store"), Shares::open().expect("gntalloc"));
    let events = EventChannels::open().expect("evtchn");
    let offer = Offer::new(path(test), DomId::DOM0).with_rings(Bytes(size), Bytes(size));
    offer.make(&store, &shares, events, soon())
}

fn connect(test: &str) -> xenops::Result<Channel> {
    let (store, grants) = (Client::open().expect("a store"), Grants::open().expect("gntdev"));
    let events = EventChannels::open().expect("evtchn");
    Channel::connect(&store, &grants, events, &path(test), DomId::DOM0, soon())
}

/// A MiB that differs from page to page, by a seed.
fn mebibyte(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(MIB).collect()
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> String {
    let add = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    format!("{:x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, add))
}

/// This process's mappings of the grant devices.
fn mappings() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("/proc is mounted");
    maps.lines().filter(|line| line.contains("/dev/xen/gnt")).count()
}

/// Whether a thread waits for something, by its folder in /proc.
fn sleeps(thread: &std::path::Path) -> bool {
    let stat = std::fs::read_to_string(thread.join("stat")).expect("it is still there");
    // The state comes after the name, which is in brackets (proc_pid_stat(5)).
    stat.rsplit_once(')').is_some_and(|(_, rest)| rest.starts_with(" S"))
}

fn stands(test: &str) -> bool {
    run("xenstore-exists", &[path(test).join("ring-ref").as_str()]).status == Some(0)
}

/// Takes in a MiB and gives one back, says the checksum of what came, and stays.
fn answer(mut channel: Channel) -> Outcome {
    let mut came = vec![0; MIB];
    channel.read_exact(&mut came, soon())?;
    channel.write_all(&mebibyte(2), soon())?;
    say(&checksum(&came));
    roles::sleep_for_good()
}

/// Gives a MiB and takes one in, from a process that answers and is then killed.
fn exchange_and_see_the_end(channel: &mut Channel, mut other: Actor) -> Outcome {
    channel.write_all(&mebibyte(1), soon())?;
    let mut came = vec![0; MIB];
    channel.read_exact(&mut came, soon())?;
    assert_eq!(checksum(&came), checksum(&mebibyte(2)));
    assert_eq!(other.says(), checksum(&mebibyte(1)));
    assert!(channel.is_open()?);
    let reader = std::fs::canonicalize("/proc/thread-self")?;
    let killer = std::thread::spawn(move || {
        until("this process waits for the other", || sleeps(&reader));
        other.kill();
    });
    let start = Instant::now();
    let within = Deadline::after(Duration::from_secs(10));
    let error = channel.read(&mut [0], within).expect_err("it was killed");
    assert_eq!(error.kind(), Kind::Gone, "after {:?}: {error:?}", start.elapsed());
    killer.join().map_err(|_| "the killer panicked")?;
    assert_eq!(channel.write(b"x", within).map_err(|e| e.kind()), Err(Kind::Gone));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_server_exchanges_a_mebibyte_with_a_process_and_sees_it_killed() -> Outcome {
    let test = "a_server_exchanges_a_mebibyte_with_a_process_and_sees_it_killed";
    if role().is_some() {
        return answer(connect(&argument(0))?);
    }
    let _clean = Clean;
    let before = (grants_in_use(), mappings());
    let mut server = offer(test, 1024)?;
    let client = Actor::start(test, "client", &[test]);
    server.wait_connected(soon())?;
    assert!(stands(test));
    exchange_and_see_the_end(&mut server, client)?;
    assert_eq!(grants_in_use(), before.0, "the client's mapping has gone with it");
    server.close(soon())?;
    assert!(!stands(test));
    assert_eq!((grants_in_use(), mappings()), before);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_client_exchanges_a_mebibyte_with_a_process_and_sees_it_killed() -> Outcome {
    let test = "a_client_exchanges_a_mebibyte_with_a_process_and_sees_it_killed";
    if role().is_some() {
        return answer(offer(&argument(0), 32 << 10)?);
    }
    let _clean = Clean;
    let before = (grants_in_use(), mappings());
    let server = Actor::start(test, "server", &[test]);
    let mut client = connect(test)?;
    exchange_and_see_the_end(&mut client, server)?;
    drop(client);
    assert_eq!((grants_in_use(), mappings()), before);

    // The nodes of a server that was killed stay, and the next one takes their place.
    assert!(stands(test));
    let mut next = offer(test, 1024)?;
    connect(test)?.write_all(b"hello", soon())?;
    let mut came = [0; 5];
    next.read_exact(&mut came, soon())?;
    assert_eq!(&came, b"hello");
    assert_eq!(next.read(&mut came, soon()).unwrap_err().kind(), Kind::Gone);
    drop(next);
    assert!(!stands(test));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn what_a_killed_process_wrote_is_read_before_its_end_is_seen() -> Outcome {
    let test = "what_a_killed_process_wrote_is_read_before_its_end_is_seen";
    if role().is_some() {
        let mut client = connect(&argument(0))?;
        client.write_all(b"last words", soon())?;
        say("written");
        roles::sleep_for_good()
    }
    let _clean = Clean;
    let mut server = offer(test, 1024)?;
    let mut client = Actor::start(test, "client", &[test]);
    assert_eq!(client.says(), "written");
    client.kill();
    let mut words = [0; 10];
    server.read_exact(&mut words, soon())?;
    assert_eq!(&words, b"last words");
    assert_eq!(server.read(&mut words, soon()).unwrap_err().kind(), Kind::Gone);
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn an_offer_is_for_its_peer_to_read_and_nobody_else() -> Outcome {
    let test = "an_offer_is_for_its_peer_to_read_and_nobody_else";
    let _clean = Clean;
    let server = offer(test, 1024)?;
    let listed = ok("xenstore-ls", &["-p", path(test).as_str()]);
    assert_eq!(listed.matches("(n0,r0)").count(), 2, "{listed}");
    drop(server);
    assert!(!stands(test));
    Ok(())
}

/// Xen's own program for channels, over libxenvchan; killed when dropped.
struct InC(Child);

impl InC {
    fn start(mode: &str, test: &str) -> Self {
        let program = Command::new("vchan-socket-proxy")
            .args([mode, "0", path(test).as_str(), "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        Self(program.expect("a program of Xen"))
    }

    /// Exchanges 64 KiB in each direction, more than any of the queues holds.
    fn exchange(&mut self, channel: &mut Channel) -> Outcome {
        let (there, back) = (&mebibyte(3)[..64 << 10], &mebibyte(4)[..64 << 10]);
        let mut input = self.0.stdin.take().ok_or("no input")?;
        let mut output = self.0.stdout.take().ok_or("no output")?;
        let mut came = vec![0; there.len()];
        let mut went = vec![0; back.len()];
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| input.write_all(there));
            channel.read_exact(&mut came, soon())?;
            writing.join().expect("no panic")?;
            let reading = scope.spawn(|| output.read_exact(&mut went));
            channel.write_all(back, soon())?;
            reading.join().expect("no panic")?;
            Outcome::Ok(())
        })?;
        assert_eq!(checksum(&came), checksum(there));
        assert_eq!(checksum(&went), checksum(back));
        Ok(())
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        let _ = self.0.kill(); // gone already after a test that went well
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_server_serves_a_client_of_libxenvchan() -> Outcome {
    let test = "a_server_serves_a_client_of_libxenvchan";
    let _clean = Clean;
    let mut server = offer(test, 1024)?;
    let mut client = InC::start("--mode=client", test);
    server.wait_connected(soon())?;
    client.exchange(&mut server)?;
    drop(client);
    assert_eq!(server.read(&mut [0], soon()).map_err(|e| e.kind()), Err(Kind::Gone));
    Ok(())
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_client_is_served_by_a_server_of_libxenvchan() -> Outcome {
    let test = "a_client_is_served_by_a_server_of_libxenvchan";
    let _clean = Clean;
    let mut server = InC::start("--mode=server", test);
    let mut client = connect(test)?;
    server.exchange(&mut client)?;
    client.close(soon())?;
    // It sees that its client has gone, and ends.
    let ended = || server.0.try_wait().is_ok_and(|status| status.is_some());
    until("the server has ended", ended);
    Ok(())
}
