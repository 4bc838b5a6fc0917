//! The bytes are those of Debian's xenstored 4.17 on a little-endian host, read from its socket.
#![cfg(target_endian = "little")]

use super::*;

/// The reply to `WATCH /xt xs1` (request 10) and the event that follows at once.
const WATCH_REPLY_AND_EVENT: &[u8] = b"\x04\0\0\0\x0a\0\0\0\0\0\0\0\x03\0\0\0OK\0\
    \x0f\0\0\0\0\0\0\0\0\0\0\0\x08\0\0\0/xt\0xs1\0";

/// The reply to `READ` of an empty value (request 7).
const EMPTY_VALUE: &[u8] = b"\x02\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0";

const READ_OF_4097: Header = Header { op: Op::READ, request: 1, tx: TxId(0), len: 4097 };

fn packet(op: Op, request: u32, payload: &[u8]) -> Packet {
    let len = u32::try_from(payload.len()).unwrap();
    Packet { header: Header { op, request, tx: TxId(0), len }, payload: payload.to_vec() }
}

fn expected() -> Vec<Packet> {
    vec![
        packet(Op::WATCH, 10, b"OK\0"),
        packet(Op::WATCH_EVENT, 0, b"/xt\0xs1\0"),
        packet(Op::READ, 7, b""),
    ]
}

fn decode_in_chunks_of(size: usize) -> Vec<Packet> {
    let mut decoder = Decoder::default();
    let stream = [WATCH_REPLY_AND_EVENT, EMPTY_VALUE].concat();
    stream
        .chunks(size)
        .flat_map(|chunk| {
            decoder.feed(chunk);
            std::iter::from_fn(|| decoder.next_packet().unwrap()).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn packets_are_the_same_however_the_stream_is_cut() {
    let cuts: Vec<_> = (1..=64).map(decode_in_chunks_of).collect();
    assert_eq!(cuts, vec![expected(); 64]);
}

#[test]
fn a_header_is_written_as_it_was_read() {
    let (bytes, _) = WATCH_REPLY_AND_EVENT.split_first_chunk().unwrap();
    assert_eq!(Header::from_bytes(*bytes).to_bytes(), *bytes);
}

#[test]
fn the_longest_payload_is_decoded() {
    let mut decoder = Decoder::default();
    decoder.feed(b"\x02\0\0\0\x01\0\0\0\0\0\0\0\0\x10\0\0");
    decoder.feed(&[7; 4096]);
    assert_eq!(decoder.next_packet(), Ok(Some(packet(Op::READ, 1, &[7; 4096]))));
}

#[test]
fn one_byte_more_is_refused_before_it_arrives() {
    let mut decoder = Decoder::default();
    decoder.feed(b"\x02\0\0\0\x01\0\0\0\0\0\0\0\x01\x10\0\0");
    assert_eq!(decoder.next_packet(), Err(Oversized(READ_OF_4097)));
}

#[test]
fn an_absurd_length_allocates_nothing() {
    let mut decoder = Decoder::default();
    decoder.feed(b"\x63\0\0\0\x01\0\0\0\0\0\0\0\xff\xff\xff\xff");
    let absurd = Header { op: Op(0x63), request: 1, tx: TxId(0), len: u32::MAX };
    assert_eq!(decoder.next_packet(), Err(Oversized(absurd)));
}

#[test]
fn a_packet_that_is_let_through_is_whole_and_the_last_exception() {
    let stream = [&READ_OF_4097.to_bytes()[..], &[7; 4097], &READ_OF_4097.to_bytes()].concat();
    let in_chunks_of = |size| {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for chunk in stream.chunks(size) {
            decoder.feed(chunk);
            match decoder.next_packet() {
                Err(oversized) if seen.is_empty() => decoder.let_through(oversized),
                Err(_) => {}
                Ok(packet) => seen.extend(packet),
            }
            seen.extend(decoder.next_packet().ok().flatten());
        }
        (seen.iter().map(|packet| packet.payload.len()).collect(), decoder.next_packet())
    };
    let outcome = (vec![4097], Err(Oversized(READ_OF_4097)));
    assert_eq!(in_chunks_of(1), outcome);
    assert_eq!(in_chunks_of(1000), outcome);
    assert_eq!(in_chunks_of(usize::MAX), outcome);
}
