//! Packets: any way of cutting their bytes, and what a daemon finds in ours.

use proptest::collection::vec;
use proptest::prelude::*;
use xen_types::{Gfn, Port};
use xs::Path;
use xs::proto::{Decoder, Features, Header, MAX_PAYLOAD, Op, Packet, Request, Token, TxId};

use crate::{config, domain, path, perms};

fn packet() -> impl Strategy<Value = Packet> {
    let payload = prop_oneof![
        8 => vec(any::<u8>(), 0..40),
        1 => vec(any::<u8>(), 4000..=MAX_PAYLOAD),
    ];
    (any::<u32>(), any::<u32>(), any::<u32>(), payload).prop_map(|(op, request, tx, payload)| {
        let len = payload.len().try_into().unwrap();
        Packet { header: Header { op: Op(op), request, tx: TxId(tx), len }, payload }
    })
}

fn bytes(packet: &Packet) -> Vec<u8> {
    [&packet.header.to_bytes()[..], &packet.payload].concat()
}

/// The stream in pieces of these sizes, again and again.
fn pieces<'a>(mut stream: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    sizes.iter().cycle().map_while(move |size| {
        let piece = stream.split_off(..(*size).min(stream.len()))?;
        (!piece.is_empty()).then_some(piece)
    })
}

fn packets_in(decoder: &mut Decoder) -> Vec<Packet> {
    std::iter::from_fn(|| decoder.next_packet().unwrap()).collect()
}

/// The request as a daemon takes it apart: its type, and its payload cut at each NUL.
fn seen(request: &Request<'_>) -> (Op, Vec<String>) {
    let mut bytes = Vec::new();
    request.encode(5, TxId(6), &mut bytes).unwrap();
    let mut decoder = Decoder::default();
    decoder.feed(&bytes);
    let packet = decoder.next_packet().unwrap().unwrap();
    assert_eq!((packet.header.request, packet.header.tx), (5, TxId(6)));
    assert_eq!(packets_in(&mut decoder), []);
    let text = String::from_utf8(packet.payload).unwrap();
    let strings = text.split_terminator('\0').map(str::to_owned).collect();
    assert!(text.is_empty() || text.ends_with('\0'));
    (packet.header.op, strings)
}

fn strings<const N: usize>(strings: [&dyn ToString; N]) -> Vec<String> {
    strings.iter().map(|string| string.to_string()).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn packets_are_the_same_however_their_bytes_are_cut(
        packets in vec(packet(), 0..6),
        sizes in vec(1..5000_usize, 1..8),
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(bytes).collect();
        let mut decoder = Decoder::default();
        let decoded = pieces(&stream, &sizes).flat_map(|piece| {
            decoder.feed(piece);
            packets_in(&mut decoder)
        });
        prop_assert_eq!(decoded.collect::<Vec<_>>(), packets);
    }

    #[test]
    fn packets_are_the_same_when_they_are_taken_late(
        packets in vec(packet(), 0..6),
        sizes in vec(1..100_usize, 1..8),
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(bytes).collect();
        let mut decoder = Decoder::default();
        pieces(&stream, &sizes).for_each(|piece| decoder.feed(piece));
        prop_assert_eq!(packets_in(&mut decoder), packets);
    }

    #[test]
    fn a_header_is_written_as_it_was_read(bytes in any::<[u8; 16]>()) {
        prop_assert_eq!(Header::from_bytes(bytes).to_bytes(), bytes);
    }

    #[test]
    fn a_value_reaches_the_daemon_as_it_is(path in path(), value in vec(any::<u8>(), 0..100)) {
        let mut bytes = Vec::new();
        Request::Write { path: &path, value: &value }.encode(1, TxId::NONE, &mut bytes).unwrap();
        let (seen_path, seen_value) = bytes[16..].split_at(path.as_str().len());
        prop_assert_eq!(seen_path, path.as_str().as_bytes());
        prop_assert_eq!(seen_value, [b"\0", &value[..]].concat());
    }

    #[test]
    fn a_request_fits_a_packet_or_leaves_no_trace(
        before in vec(any::<u8>(), 0..20),
        len in 4080..4110_usize,
    ) {
        let (path, value) = (Path::from_static("/a"), vec![b'x'; len]);
        let mut out = before.clone();
        let encoded = Request::Write { path: &path, value: &value }.encode(1, TxId::NONE, &mut out);
        prop_assert_eq!(encoded.is_ok(), 3 + len <= MAX_PAYLOAD);
        let added = if encoded.is_ok() { 16 + 3 + len } else { 0 };
        prop_assert!(out.starts_with(&before));
        prop_assert_eq!(out.len() - before.len(), added);
    }

    #[test]
    fn a_daemon_sees_the_permissions(path in path(), perms in perms::perms()) {
        let mut expected = vec![path.to_string()];
        expected.extend(perms.to_string().split(',').map(str::to_owned));
        let request = Request::SetPerms { path: &path, perms: &perms };
        prop_assert_eq!(seen(&request), (Op::SET_PERMS, expected));
    }

    #[test]
    fn a_daemon_sees_the_words(words in vec("[^\\x00]{0,9}", 0..5)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let expected = words.iter().map(|word| (*word).to_owned()).collect();
        prop_assert_eq!(seen(&Request::Control(&words)), (Op::CONTROL, expected));
    }

    #[test]
    fn a_daemon_sees_the_watch(path in path(), token in any::<u64>(), depth in any::<u32>()) {
        let name = format!("xs{token}");
        let token = Token(token);
        let watch = Request::Watch { path: &path, token, depth: None };
        prop_assert_eq!(seen(&watch), (Op::WATCH, strings([&path, &name])));
        let deep = Request::Watch { path: &path, token, depth: Some(depth) };
        prop_assert_eq!(seen(&deep), (Op::WATCH, strings([&path, &name, &depth])));
        let unwatch = Request::Unwatch { path: &path, token };
        prop_assert_eq!(seen(&unwatch), (Op::UNWATCH, strings([&path, &name])));
    }

    #[test]
    fn a_daemon_sees_the_numbers(
        dom in domain(),
        target in domain(),
        gfn in any::<u64>(),
        number in any::<u32>(),
    ) {
        let introduce = Request::Introduce { dom, gfn: Gfn(gfn), port: Port(number) };
        let signed = i64::from_ne_bytes(gfn.to_ne_bytes());
        prop_assert_eq!(seen(&introduce), (Op::INTRODUCE, strings([&dom, &signed, &number])));
        let set_target = Request::SetTarget { dom, target };
        prop_assert_eq!(seen(&set_target), (Op::SET_TARGET, strings([&dom, &target])));
        let set_feature =
            Request::SetFeature { dom, features: Features::from_bits_retain(number) };
        prop_assert_eq!(seen(&set_feature), (Op::SET_FEATURE, strings([&dom, &number])));
        let set_quota = Request::SetQuota { dom: Some(dom), name: "nodes", value: number };
        let expected = strings([&dom, &"nodes", &number]);
        prop_assert_eq!(seen(&set_quota), (Op::SET_QUOTA, expected));
        let part = Request::DirectoryPart { path: &Path::DOMAINS, offset: number };
        let expected = strings([&"/local/domain", &number]);
        prop_assert_eq!(seen(&part), (Op::DIRECTORY_PART, expected));
    }
}
