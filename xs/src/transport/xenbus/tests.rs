//! The device is played by sockets that keep packets apart, as it does, and by a timer, which
//! refuses every write.

use std::thread;
use std::time::Instant;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use super::*;
use crate::client::Client;
use crate::proto::TxId;
use crate::{ErrorCode, Kind, Store, View};

const A: crate::Path = crate::Path::from_static("/a");

/// The device's ends of its two open files.
struct Device {
    requests: OwnedFd,
    watches: OwnedFd,
}

fn device(kind: SocketType) -> (Xenbus, Device) {
    let pair = || {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        rustix::io::ioctl_fionbio(&ours, true).unwrap();
        (ours, theirs)
    };
    let ((requests, its_requests), (watches, its_watches)) = (pair(), pair());
    let device = Device { requests: its_requests, watches: its_watches };
    (Xenbus::over(requests, watches).unwrap(), device)
}

fn packet(op: Op, request: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let header = Header { op, request, tx: TxId::NONE, len };
    [&header.to_bytes()[..], payload].concat()
}

/// What is written by one write, or several if the socket does not keep them apart.
fn written(file: &OwnedFd) -> Vec<u8> {
    let mut buffer = vec![0; 8192];
    let count = read(file, &mut buffer).unwrap();
    buffer.truncate(count);
    buffer
}

/// The next request, taken apart.
fn request(file: &OwnedFd) -> (Op, u32, Vec<u8>) {
    let bytes = written(file);
    let header = Header::from_bytes(*bytes.first_chunk().unwrap());
    (header.op, header.request, bytes[Header::LEN..].to_vec())
}

fn received(xenbus: &Xenbus) -> Vec<u8> {
    let mut buffer = [0; 8192];
    let count = xenbus.receive(&mut buffer).unwrap().unwrap();
    buffer[..count].to_vec()
}

#[test]
fn a_write_has_one_packet_and_the_next_waits_for_its_reply() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    let [first, second] = [packet(Op::READ, 1, b"/a\0"), packet(Op::READ, 2, b"/b/c\0")];
    let both = [first.clone(), second.clone()].concat();
    assert_eq!(xenbus.send(&both).unwrap(), Sent::Bytes(first.len()));
    assert_eq!(written(&device.requests), first);
    assert_eq!(xenbus.send(&second).unwrap(), Sent::Nothing);
    assert_eq!(xenbus.receive(&mut [0; 99]).unwrap(), None);
    assert_eq!(xenbus.send(&second).unwrap(), Sent::Nothing);
    write(&device.requests, &packet(Op::READ, 1, b"x")).unwrap();
    assert_eq!(received(&xenbus), packet(Op::READ, 1, b"x"));
    assert_eq!(xenbus.send(&second).unwrap(), Sent::Bytes(second.len()));
    assert_eq!(written(&device.requests), second);
}

/// The device's socket must see no request but the one that it has not answered.
#[test]
fn a_flight_and_many_threads_take_turns() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    rustix::net::sockopt::set_socket_timeout(
        &device.requests,
        rustix::net::sockopt::Timeout::Recv,
        Some(Duration::from_secs(20)),
    )
    .unwrap();
    let client = Client::over(xenbus);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..9 * 30 {
                let (op, id, payload) = request(&device.requests);
                thread::yield_now();
                let flags = rustix::net::RecvFlags::PEEK | rustix::net::RecvFlags::DONTWAIT;
                let another = rustix::net::recv(&device.requests, &mut [0; 16], flags);
                assert_eq!(another.map(|(count, _)| count), Err(Errno::AGAIN));
                write(&device.requests, &packet(op, id, &payload)).unwrap();
            }
        });
        for n in 0..8 {
            let (client, path) = (&client, crate::Path::new(format!("/{n}")).unwrap());
            scope.spawn(move || {
                for _ in 0..30 {
                    assert_eq!(client.read(&path).unwrap(), format!("{path}\0").into_bytes());
                }
            });
        }
        let values = client.read_each(&[A; 30]).unwrap();
        assert_eq!(values, vec![Some(b"/a\0".to_vec()); 30]);
    });
}

#[test]
fn watches_begin_and_end_where_nothing_else_is_written() {
    let (xenbus, device) = device(SocketType::STREAM);
    let [watch, unwatch] = [Op::WATCH, Op::UNWATCH].map(|op| packet(op, 1, b"/a\x001\0"));
    let read = packet(Op::READ, 2, b"/a\0");
    for packet in [&watch, &read, &unwatch] {
        assert_eq!(xenbus.send(packet).unwrap(), Sent::Bytes(packet.len()));
    }
    assert_eq!(written(&device.requests), read);
    assert_eq!(written(&device.watches), [watch, unwatch].concat());
}

#[test]
fn a_client_speaks_over_both_files() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    let client = Client::over(xenbus);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (op, id, payload) = request(&device.requests);
            assert_eq!((op, payload), (Op::READ, b"/a\0".to_vec()));
            write(&device.requests, &packet(Op::READ, id, b"one")).unwrap();
            let (op, id, payload) = request(&device.watches);
            assert_eq!(op, Op::WATCH);
            write(&device.watches, &packet(Op::WATCH, id, b"OK\0")).unwrap();
            // The kernel leaves the ids of an event as they happen to be.
            write(&device.watches, &packet(Op::WATCH_EVENT, 77, &payload)).unwrap();
            assert_eq!(request(&device.watches).0, Op::UNWATCH);
        });
        assert_eq!(client.read(&A).unwrap(), b"one");
        let mut watch = client.watch(&A).unwrap();
        let deadline = xen_types::Deadline::after(Duration::from_secs(20));
        assert_eq!(watch.wait(deadline).unwrap().path(), &A);
    });
}

#[test]
fn what_the_write_refuses_is_the_answer_to_its_request_alone() {
    let timer =
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK);
    let (sound, device) = device(SocketType::SEQPACKET);
    let client = Client::over(Xenbus::over(timer.unwrap(), sound.watches).unwrap());
    let refused = [client.read(&A).unwrap_err(), client.write(&A, "x").unwrap_err()];
    assert_eq!(refused.map(|error| error.code().cloned()), [const { Some(ErrorCode::Einval) }; 2]);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (_, id, _) = request(&device.watches);
            write(&device.watches, &packet(Op::WATCH, id, b"OK\0")).unwrap();
        });
        assert!(client.watch(&A).is_ok());
    });
}

#[test]
fn several_refusals_are_answered_in_their_order_and_then_nothing_is_left() {
    let (xenbus, _device) = device(SocketType::STREAM);
    for id in [1, 2] {
        let reset = packet(Op::RESET_WATCHES, id, b"\0");
        assert_eq!(xenbus.send(&reset).unwrap(), Sent::Bytes(reset.len()));
    }
    let answers = [1, 2].map(|id| packet(Op::ERROR, id, b"EPERM\0")).concat();
    assert_eq!(received(&xenbus), answers);
    assert_eq!(xenbus.receive(&mut [0; 99]).unwrap(), None);
}

#[test]
fn the_watches_of_the_kernel_are_not_reset() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    rustix::io::ioctl_fionbio(&device.requests, true).unwrap();
    assert_eq!(Client::over(xenbus).reset_watches().unwrap_err().kind(), Kind::Denied);
    // The socket closed with the client and was sent nothing before.
    assert_eq!(read(&device.requests, &mut [0; 99]), Ok(0));
}

#[test]
fn an_error_that_no_store_has_ends_the_connection() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    drop(device);
    let client = Client::over(xenbus);
    assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(client.read(&A).unwrap_err().kind(), Kind::Unavailable);
}

#[test]
fn a_packet_in_parts_is_finished_before_another_source_has_its_turn() {
    let (xenbus, device) = device(SocketType::STREAM);
    let reply = packet(Op::READ, 1, &[b'r'; 30]);
    let event = packet(Op::WATCH_EVENT, 0, &[b'w'; 32]); // three buffers of 16, exactly
    write(&device.requests, &reply).unwrap();
    write(&device.watches, &event).unwrap();
    let mut all = Vec::new();
    let mut buffer = [0; 16];
    while let Some(count) = xenbus.receive(&mut buffer).unwrap() {
        all.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(all, [event, reply].concat());
}

#[test]
fn replies_do_not_keep_events_waiting() {
    let (xenbus, device) = device(SocketType::SEQPACKET);
    let [reply, event] = [packet(Op::READ, 1, b"x"), packet(Op::WATCH_EVENT, 0, b"/a\x001\0")];
    write(&device.requests, &reply).unwrap();
    write(&device.requests, &reply).unwrap();
    write(&device.watches, &event).unwrap();
    write(&device.watches, &event).unwrap();
    let got = [(); 4].map(|()| received(&xenbus));
    assert_eq!(got, [event.clone(), reply.clone(), event, reply]);
}

#[test]
fn closing_ends_a_receive_that_is_under_way() {
    let (xenbus, _device) = device(SocketType::SEQPACKET);
    let start = Instant::now();
    thread::scope(|scope| {
        let receiver =
            scope.spawn(|| xenbus.receive_within(&mut [0; 99], Duration::from_secs(20)).unwrap());
        xenbus.close();
        assert_eq!(receiver.join().unwrap(), Some(0));
    });
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(xenbus.receive(&mut [0; 99]).unwrap(), Some(0));
}

#[test]
fn a_receive_with_nothing_to_receive_ends_in_time() {
    let (xenbus, _device) = device(SocketType::SEQPACKET);
    let start = Instant::now();
    let received = xenbus.receive_within(&mut [0; 99], Duration::from_millis(50)).unwrap();
    assert_eq!(received, None);
    assert!((50..10_000).contains(&start.elapsed().as_millis()));
}

#[test]
fn without_the_device_there_is_no_client() {
    let error = Xenbus::open(&[Path::new("/nonexistent/xenbus")]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_device_of_another_user_is_not_a_missing_one() {
    // A directory cannot be opened for writing.
    let paths = [Path::new("/"), Path::new("/nonexistent/xenbus")];
    assert_eq!(Xenbus::open(&paths).unwrap_err().kind(), io::ErrorKind::IsADirectory);
}
