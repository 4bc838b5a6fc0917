use super::*;
use crate::proto::TxId;

const A: Path = Path::from_static("/a");

fn packet(op: Op, request: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap();
    let header = Header { op, request, tx: TxId::NONE, len };
    [&header.to_bytes()[..], payload].concat()
}

fn event(payload: &[u8]) -> Vec<u8> {
    packet(Op::WATCH_EVENT, 0, payload)
}

fn read(mux: &mut Mux) -> RequestId {
    mux.send(&Request::Read(&A), TxId::NONE).unwrap()
}

/// Takes away what is outgoing.
fn sent(mux: &mut Mux) -> Vec<u8> {
    let bytes = mux.outgoing().to_vec();
    mux.sent(bytes.len());
    bytes
}

/// A mux with one watch on `/a` that the daemon has acknowledged.
fn watching() -> (Mux, InboxId) {
    let mut mux = Mux::new();
    let inbox = mux.open_inbox();
    let id = mux.watch(&A, None, inbox).unwrap();
    mux.receive(&packet(Op::WATCH, id.0, b"OK\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    assert!(mux.take_answer(id).unwrap().is_ok());
    sent(&mut mux);
    (mux, inbox)
}

#[test]
fn replies_find_their_requests_in_any_order() {
    let mut mux = Mux::new();
    let (first, second) = (read(&mut mux), read(&mut mux));
    mux.receive(&packet(Op::READ, second.0, b"two"));
    mux.receive(&packet(Op::READ, first.0, b"one"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(second))));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(first))));
    assert_eq!(mux.take_answer(first).unwrap().unwrap().into_value(), b"one");
    assert_eq!(mux.take_answer(second).unwrap().unwrap().into_value(), b"two");
    assert_eq!(mux.take_answer(second), None);
}

#[test]
fn an_error_goes_to_its_request() {
    let mut mux = Mux::new();
    let id = read(&mut mux);
    mux.receive(&packet(Op::ERROR, id.0, b"ENOENT\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    assert_eq!(mux.take_answer(id), Some(Err(Refusal::Code(ErrorCode::Enoent))));
}

#[test]
fn a_reply_of_another_type_fails_its_request_only() {
    let mut mux = Mux::new();
    let id = read(&mut mux);
    mux.receive(&packet(Op::WRITE, id.0, b"OK\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    let wrong = Malformed { asked: Op::READ, got: Op::WRITE };
    assert_eq!(mux.take_answer(id), Some(Err(Refusal::Malformed(wrong))));
    let next = read(&mut mux);
    mux.receive(&packet(Op::READ, next.0, b""));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(next))));
}

#[test]
fn a_reply_that_nobody_asked_for_is_a_stray() {
    let mut mux = Mux::new();
    let id = read(&mut mux);
    mux.receive(&packet(Op::READ, 99, b""));
    assert!(matches!(mux.poll(), Ok(Some(Arrival::Stray(header))) if header.request == 99));
    mux.receive(&packet(Op::READ, id.0, b"one"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
}

#[test]
fn a_second_reply_does_not_replace_the_first() {
    let mut mux = Mux::new();
    let id = read(&mut mux);
    mux.receive(&packet(Op::READ, id.0, b"one"));
    mux.receive(&packet(Op::READ, id.0, b"two"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    assert!(matches!(mux.poll(), Ok(Some(Arrival::Stray(_)))));
    assert_eq!(mux.take_answer(id).unwrap().unwrap().into_value(), b"one");
}

#[test]
fn an_abandoned_id_is_not_used_again_until_its_late_reply_is_swallowed() {
    let mut mux = Mux::new();
    let late = read(&mut mux);
    mux.abandon(late);
    mux.last_request = late.0 - 1; // as after 2^32 requests
    assert_ne!(read(&mut mux), late);
    mux.receive(&packet(Op::READ, late.0, b"late"));
    assert_eq!(mux.poll(), Ok(None));
    mux.last_request = late.0 - 1;
    assert_eq!(read(&mut mux), late);
}

#[test]
fn an_id_is_never_zero() {
    let mut mux = Mux { last_request: u32::MAX, ..Mux::new() };
    assert_eq!(read(&mut mux), RequestId(1));
}

#[test]
fn a_late_transaction_is_discarded() {
    let mut mux = Mux::new();
    let id = mux.send(&Request::TransactionStart, TxId::NONE).unwrap();
    sent(&mut mux);
    mux.abandon(id);
    mux.receive(&packet(Op::TRANSACTION_START, id.0, b"17\0"));
    assert_eq!(mux.poll(), Ok(None));
    let mut discard = Vec::new();
    let end = Request::TransactionEnd { commit: false };
    end.encode(id.0 + 1, TxId(17), &mut discard).unwrap();
    assert_eq!(sent(&mut mux), discard);
}

#[test]
fn a_transaction_that_arrived_just_before_it_was_abandoned_is_discarded() {
    let mut mux = Mux::new();
    let id = mux.send(&Request::TransactionStart, TxId::NONE).unwrap();
    sent(&mut mux);
    mux.receive(&packet(Op::TRANSACTION_START, id.0, b"17\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    mux.abandon(id);
    assert!(sent(&mut mux).ends_with(b"F\0"));
}

#[test]
fn events_may_overtake_the_answer_to_their_watch() {
    let mut mux = Mux::new();
    let inbox = mux.open_inbox();
    mux.watch(&A, None, inbox).unwrap();
    mux.receive(&event(b"/a\0xs1\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Event(inbox))));
    assert_eq!(mux.take_event(inbox).unwrap().path(), &A);
}

#[test]
fn events_of_one_token_go_to_its_inbox_alone() {
    let (mut mux, first) = watching();
    let second = mux.open_inbox();
    mux.watch(&A, None, second).unwrap();
    mux.receive(&event(b"/a/b\0xs2\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Event(second))));
    assert_eq!(mux.take_event(first), None);
    assert!(mux.take_event(second).is_some());
}

#[test]
fn a_closed_inbox_is_unwatched_and_its_last_events_are_swallowed() {
    let (mut mux, inbox) = watching();
    mux.close_inbox(inbox);
    assert!(sent(&mut mux).ends_with(b"/a\0xs1\0"));
    mux.receive(&event(b"/a\0xs1\0"));
    mux.receive(&packet(Op::UNWATCH, 2, b"OK\0"));
    assert_eq!(mux.poll(), Ok(None));
}

#[test]
fn a_refused_watch_is_not_unwatched() {
    let mut mux = Mux::new();
    let inbox = mux.open_inbox();
    let id = mux.watch(&A, None, inbox).unwrap();
    mux.receive(&packet(Op::ERROR, id.0, b"EQUOTA\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    sent(&mut mux);
    mux.close_inbox(inbox);
    assert_eq!(mux.outgoing(), b"");
}

#[test]
fn an_event_for_a_token_of_somebody_else_is_a_stray() {
    let (mut mux, _) = watching();
    mux.receive(&event(b"/a\0xs999\0"));
    mux.receive(&event(b"/a\0token\0"));
    mux.receive(&event(b"/a"));
    assert!(matches!(mux.poll(), Ok(Some(Arrival::Stray(_)))));
    assert!(matches!(mux.poll(), Ok(Some(Arrival::Stray(_)))));
    assert!(matches!(mux.poll(), Ok(Some(Arrival::Stray(_)))));
    assert_eq!(mux.poll(), Ok(None));
}

#[test]
fn an_event_with_an_impossible_path_still_says_look_again() {
    let (mut mux, inbox) = watching();
    mux.receive(&event(b"/a//b\0xs1\0"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Event(inbox))));
    let event = mux.take_event(inbox).unwrap();
    assert_eq!((event.path(), event.is_merged()), (&A, true));
}

#[test]
fn an_oversized_reply_ends_it_after_what_came_before() {
    let mut mux = Mux::new();
    let id = read(&mut mux);
    mux.receive(&packet(Op::READ, id.0, b"one"));
    mux.receive(&Header { op: Op::READ, request: 2, tx: TxId::NONE, len: 4097 }.to_bytes());
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    assert!(matches!(mux.poll(), Err(Oversized(header)) if header.len == 4097));
}

#[test]
fn a_directory_over_the_limit_is_let_through() {
    let mut mux = Mux::new();
    let list = mux.send(&Request::Directory(&A), TxId::NONE).unwrap();
    let next = read(&mut mux);
    let long = packet(Op::DIRECTORY, list.0, &b"x\0".repeat(2049));
    mux.receive(&long[..100]);
    assert_eq!(mux.poll(), Ok(None));
    mux.receive(&long[100..4000]);
    assert_eq!(mux.poll(), Ok(None));
    mux.receive(&[&long[4000..], &packet(Op::READ, next.0, b"one")].concat());
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(list))));
    assert_eq!(mux.take_answer(list).unwrap().unwrap().names().unwrap().len(), 2049);
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(next))));
}

#[test]
fn a_directory_over_the_limit_may_be_late() {
    let mut mux = Mux::new();
    let list = mux.send(&Request::Directory(&A), TxId::NONE).unwrap();
    let next = read(&mut mux);
    mux.abandon(list);
    mux.receive(&packet(Op::DIRECTORY, list.0, &[b'x'; 4097]));
    mux.receive(&packet(Op::READ, next.0, b"one"));
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(next))));
}

#[test]
fn a_directory_that_nobody_asked_for_or_nobody_can_have_ends_it() {
    let oversized = |asked: &Request<'_>, len| {
        let mut mux = Mux::new();
        let request = mux.send(asked, TxId::NONE).unwrap().0;
        mux.receive(&Header { op: Op::DIRECTORY, request, tx: TxId::NONE, len }.to_bytes());
        mux.poll()
    };
    let all_that_a_guest_can_make = 1000 * (2048 + 1);
    assert!(oversized(&Request::Directory(&A), all_that_a_guest_can_make).is_ok());
    assert!(oversized(&Request::Directory(&A), LONGEST_DIRECTORY).is_ok());
    assert!(oversized(&Request::Directory(&A), LONGEST_DIRECTORY + 1).is_err());
    assert!(oversized(&Request::Read(&A), 4097).is_err());
}

#[test]
fn an_abandoned_request_is_unanswered_until_its_late_reply() {
    let mut mux = Mux::new();
    let late = read(&mut mux);
    assert_eq!(mux.unanswered(), 0);
    mux.abandon(late);
    assert_eq!(mux.unanswered(), 1);
    mux.receive(&packet(Op::READ, late.0, b"late"));
    assert_eq!(mux.poll(), Ok(None));
    assert_eq!(mux.unanswered(), 0);
}

#[test]
fn what_is_outgoing_goes_out_in_any_pieces() {
    let mut mux = Mux::new();
    read(&mut mux);
    let all = mux.outgoing().to_vec();
    mux.sent(5);
    assert_eq!(mux.outgoing(), &all[5..]);
}
