//! `DIRECTORY_PART`: a list in pieces is the list.

use proptest::collection::vec;
use proptest::prelude::*;
use xs::proto::{Arrival, Header, Mux, Op, Part, Reply, Request, TxId};
use xs::{Name, Path};

use crate::config;

const DIR: Path = Path::from_static("/dir");

/// The reply with this payload.
fn reply(payload: &[u8]) -> Reply {
    let mut mux = Mux::new();
    let request = Request::DirectoryPart { path: &DIR, offset: 0 };
    let id = mux.send(&request, TxId::NONE).unwrap();
    let len = payload.len().try_into().unwrap();
    let header = Header { op: Op::DIRECTORY_PART, request: id.0, tx: TxId::NONE, len };
    mux.receive(&[&header.to_bytes()[..], payload].concat());
    assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))));
    mux.take_answer(id).unwrap().unwrap()
}

/// What a daemon answers that puts as many whole names into a packet as fit into `room`.
fn part(generation: u64, names: &[Name], offset: usize, room: usize) -> Part {
    let mut payload = format!("{generation}\0").into_bytes();
    let mut at = 0;
    let mut filled = 0;
    for name in names {
        let end = at + name.len() + 1;
        if at >= offset && (filled == 0 || filled + name.len() < room) {
            payload.extend_from_slice(name.as_bytes());
            payload.push(0);
            filled += name.len() + 1;
        } else if at >= offset {
            return reply(&payload).part().unwrap();
        }
        at = end;
    }
    payload.push(0); // the end of the list: an empty name
    reply(&payload).part().unwrap()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_parts_of_a_list_are_the_list(
        names in vec("[a-zA-Z0-9_@-]{1,20}", 0..30),
        room in 1..200_usize,
        generation in any::<u64>(),
    ) {
        let names: Vec<Name> = names.into_iter().map(|name| Name::new(name).unwrap()).collect();
        let mut collected = Vec::new();
        let mut offset = 0;
        let mut last = false;
        while !last {
            let part = part(generation, &names, offset, room);
            prop_assert_eq!(part.generation, generation);
            prop_assert!(part.last || part.len > 0);
            offset += part.len as usize;
            last = part.last;
            collected.extend(part.names);
        }
        prop_assert_eq!(collected, names);
    }

    #[test]
    fn a_part_is_whole_names_or_malformed(text in "[0-9]{0,3}(\\x00|[a-b/é]){0,8}") {
        let (generation, list) = text.split_once('\0').unwrap_or(("", &text));
        let mut names: Vec<&str> = list.split('\0').collect();
        let ended = names.pop() == Some("") && text.contains('\0');
        let last = names.last() == Some(&"");
        if last {
            names.pop();
        }
        let sound = ended
            && generation.parse::<u64>().is_ok()
            && (last || !names.is_empty())
            && names.iter().all(|name| Name::new(*name).is_ok());
        let part = reply(text.as_bytes()).part();
        prop_assert_eq!(part.is_ok(), sound, "{:?}", part);
        if let Ok(part) = part {
            prop_assert_eq!(part.names, names);
            prop_assert_eq!(part.last, last);
        }
    }
}
