use super::*;

fn frames(stream: &[u8]) -> Vec<Frame> {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    std::iter::from_fn(|| decoder.next_frame().unwrap()).collect()
}

fn request_round_trip(request: &Request) -> Request {
    let mut stream = Vec::new();
    request.encode(&mut stream);
    let frames = frames(&stream);
    assert_eq!(frames.len(), 1);
    Request::decode(&frames[0]).unwrap()
}

fn reply_round_trip(reply: &Reply) -> Reply {
    let mut stream = Vec::new();
    reply.encode(&mut stream);
    let frames = frames(&stream);
    assert_eq!(frames.len(), 1);
    Reply::decode(&frames[0]).unwrap()
}

#[test]
fn a_frame_has_its_length_and_kind_in_front() {
    let mut stream = Vec::new();
    Request::Stdin { id: 7, bytes: b"hi".to_vec() }.encode(&mut stream);
    assert_eq!(stream, [6, 0, 0, 0, 4, 7, 0, 0, 0, b'h', b'i']);
}

#[test]
fn frames_survive_any_cut_of_the_stream() {
    let mut stream = Vec::new();
    Request::Ping { serial: 1 }.encode(&mut stream);
    Request::PutData { id: 2, bytes: Vec::new() }.encode(&mut stream);
    let mut decoder = Decoder::default();
    let mut seen = Vec::new();
    for byte in stream {
        decoder.push(&[byte]);
        seen.extend(decoder.next_frame().unwrap());
    }
    let messages: Vec<_> = seen.iter().map(|f| Request::decode(f).unwrap()).collect();
    assert_eq!(
        messages,
        [Request::Ping { serial: 1 }, Request::PutData { id: 2, bytes: Vec::new() }]
    );
}

#[test]
fn a_frame_beyond_the_limit_is_refused_before_it_arrives() {
    let mut decoder = Decoder::default();
    decoder.push(&[1, 0, 16, 0, 2]);
    assert_eq!(decoder.next_frame(), Err(Malformed::TooLong(0x10_0001)));
}

#[test]
fn every_request_survives_the_wire() {
    let exec = Exec {
        argv: vec![b"xl".to_vec(), Vec::new(), b"\xff".to_vec()],
        env: vec![(b"A".to_vec(), b"b=c".to_vec())],
        cwd: Some(b"/tmp".to_vec()),
        timeout: Some(0),
        terminal: Some(TerminalSize { rows: 24, columns: 80 }),
    };
    let size = TerminalSize { rows: 1, columns: 65535 };
    for request in [
        Request::Hello { nonce: u64::MAX },
        Request::Ping { serial: 9 },
        Request::Exec { id: 1, exec },
        Request::Exec { id: 1, exec: Exec::default() },
        Request::Stdin { id: 1, bytes: vec![0; 70_000] },
        Request::Signal { id: 1, signal: -1 },
        Request::Resize { id: 1, size },
        Request::Put { id: 1, path: b"/opt/x".to_vec(), mode: 0o755 },
        Request::PutData { id: 1, bytes: b"\0".to_vec() },
        Request::PowerOff,
    ] {
        assert_eq!(request_round_trip(&request), request);
    }
}

#[test]
fn every_reply_survives_the_wire() {
    for reply in [
        Reply::Ready { facts: vec![("xen".into(), "4.17".into())] },
        Reply::Pong { serial: 9 },
        Reply::Output { id: 1, stream: Stream::Stdout, bytes: b"o".to_vec() },
        Reply::Output { id: 1, stream: Stream::Stderr, bytes: Vec::new() },
        Reply::StdinTaken { id: 3 },
        Reply::Exited { id: 1, outcome: Outcome::Exited(7) },
        Reply::Exited { id: 1, outcome: Outcome::Signaled(9) },
        Reply::Exited { id: 1, outcome: Outcome::TimedOut },
        Reply::Exited { id: 1, outcome: Outcome::NotStarted("no such file".into()) },
        Reply::Stored { id: 1, error: None },
        Reply::Stored { id: 1, error: Some(String::new()) },
    ] {
        assert_eq!(reply_round_trip(&reply), reply);
    }
}

#[test]
fn a_message_that_ends_early_names_the_field() {
    let frame = Frame { kind: 1, body: vec![0; 7] };
    assert_eq!(Request::decode(&frame), Err(Malformed::Short("nonce")));
}

#[test]
fn bytes_after_the_last_field_are_refused() {
    let frame = Frame { kind: 9, body: vec![0] };
    assert_eq!(Request::decode(&frame), Err(Malformed::Trailing(9)));
}

#[test]
fn the_greeting_is_found_behind_the_rest_of_an_old_session() {
    let mut stream = b"half a frame".to_vec();
    stream.extend(greeting(1));
    stream.extend(greeting(2));
    stream.push(b'!');
    assert_eq!(after_greeting(&stream, 2).map(|at| &stream[at..]), Some(&b"!"[..]));
}

#[test]
fn the_greeting_of_another_session_is_no_greeting() {
    assert_eq!(after_greeting(&greeting(1), 2), None);
}
