//! Any bytes: the decoder finds the same packets however they are cut, and loses none of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xs::proto::{Decoder, MAX_PAYLOAD, Oversized, Packet};

fuzz_target!(|stream: &[u8]| {
    let (packets, end) = decoded(stream, stream.len().max(1));
    for size in [1, 3, 17] {
        assert_eq!(decoded(stream, size), (packets.clone(), end), "in pieces of {size}");
    }

    let again: Vec<u8> = packets.iter().flat_map(bytes).collect();
    let rest = stream.strip_prefix(&*again).expect("packets are the bytes that came");
    match end {
        Some(Oversized(header)) => {
            assert!(header.len as usize > MAX_PAYLOAD);
            assert!(rest.starts_with(&header.to_bytes()));
        }
        None => assert!(rest.len() < 16 + MAX_PAYLOAD, "{} bytes are a packet", rest.len()),
    }
});

fn decoded(stream: &[u8], size: usize) -> (Vec<Packet>, Option<Oversized>) {
    let mut decoder = Decoder::default();
    let mut packets = Vec::new();
    for piece in stream.chunks(size) {
        decoder.feed(piece);
        loop {
            match decoder.next_packet() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(oversized) => return (packets, Some(oversized)),
            }
        }
    }
    (packets, None)
}

fn bytes(packet: &Packet) -> Vec<u8> {
    [&packet.header.to_bytes()[..], &packet.payload].concat()
}
