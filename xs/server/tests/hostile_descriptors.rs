//! More connections than the process has descriptors. Alone in its process, whose limit it changes.

mod world;

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use xs::proto::Op;

use world::{Peer, World, packet};

#[test]
fn who_finds_no_descriptor_waits_for_one() {
    let mut world = World::new();
    let path = std::env::temp_dir().join(format!("xs-server-descriptors-{}", std::process::id()));
    world.server.listen(&path).unwrap();
    let connect = || {
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut peer = Peer::new(stream);
        peer.send(&packet(Op::READ, 1, 0, b"/tool\0"));
        peer
    };
    let mut peers: Vec<_> = (0..8).map(|_| connect()).collect();
    // The number that the next one would have: those above it are free, but for a few inherited.
    let next = u64::try_from(File::open("/dev/null").unwrap().as_raw_fd()).unwrap();
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(next + 4), maximum: most }).unwrap();
    let answered = |world: &mut World, peers: &mut [Peer<UnixStream>]| {
        for _ in 0..20 {
            world.turn();
        }
        peers.iter_mut().for_each(Peer::take);
        peers.iter().filter(|peer| !peer.arrived.is_empty()).count()
    };
    let first = answered(&mut world, &mut peers);
    assert!((1..=4).contains(&first), "{first} found a descriptor");
    // It does not spin meanwhile.
    assert!(!world::is_ready(&world.server));
    assert_eq!(world.dom0_does(Op::READ, "/tool\0"), "");
    // One that goes makes room for two: its other end is of this process, too.
    drop(peers.remove(0));
    assert_eq!(answered(&mut world, &mut peers), first + 1);
    assert!(!world::is_ready(&world.server));
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    // No connection of its own has ended: the server looks again by itself, after a while.
    world.server.turn(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(answered(&mut world, &mut peers), 7);
    assert!(path.exists());
    drop(world);
    assert!(!path.exists());
}
