//! Reads the files in this folder and holds requests and replies against them.

use std::fs;
use std::path::PathBuf;

use xs::Path;
use xs::proto::{
    Answer, Arrival, Decoder, Header, Mux, Op, Packet, Refusal, Reply, Request, RequestId, TxId,
};

/// The vectors of one operation.
pub(crate) struct Vectors(String);

/// One packet, and which way it went.
#[derive(Debug, Clone)]
pub(crate) struct Sighting {
    /// From the client.
    is_request: bool,
    packet: Packet,
}

impl Vectors {
    /// What the daemon said to this request, which must be the recorded one to the byte.
    pub(crate) fn answer(&self, title: &str, request: &Request<'_>) -> Reply {
        self.ask(title, request).unwrap_or_else(|refusal| panic!("{title}: {refusal}"))
    }

    /// The daemon said "OK" to this request, which must be the recorded one to the byte.
    pub(crate) fn done(&self, title: &str, request: &Request<'_>) {
        assert_eq!(self.answer(title, request).into_value(), b"OK\0", "{title}");
    }

    /// How the daemon refused this request, which must be the recorded one to the byte.
    pub(crate) fn refusal(&self, title: &str, request: &Request<'_>) -> Option<Refusal> {
        self.ask(title, request).err()
    }

    fn ask(&self, title: &str, request: &Request<'_>) -> Answer {
        let [question, reply] = self.exchange(title).try_into().expect("a request and a reply");
        assert!(question.is_request && !reply.is_request, "{title}");
        let asked = question.packet.header;
        assert_eq!(encoded(request, asked), bytes(&question.packet), "{title}");
        let echo = (reply.packet.header.request, reply.packet.header.tx);
        assert_eq!(echo, (asked.request, asked.tx), "{title}");

        let mut mux = Mux::new();
        let id = mux.send(request, asked.tx).unwrap();
        mux.receive(&bytes(&renumbered(reply.packet, id)));
        assert_eq!(mux.poll(), Ok(Some(Arrival::Answer(id))), "{title}");
        mux.take_answer(id).unwrap()
    }

    /// What arrives at a watch and the requests behind it, all of which must be the recorded ones.
    pub(crate) fn watched(
        &self,
        title: &str,
        path: &Path,
        depth: Option<u32>,
        requests: &[Request<'_>],
    ) -> Vec<String> {
        let mut mux = Mux::new();
        let inbox = mux.open_inbox();
        let mut ids = vec![mux.watch(path, depth, inbox).unwrap()];
        ids.extend(requests.iter().map(|request| mux.send(request, TxId::NONE).unwrap()));

        let (questions, replies): (Vec<_>, Vec<_>) =
            self.exchange(title).into_iter().partition(|sighting| sighting.is_request);
        let questions = questions.into_iter().zip(&ids);
        let sent = questions.map(|(question, id)| bytes(&renumbered(question.packet, *id)));
        assert_eq!(sent.collect::<Vec<_>>().concat(), mux.outgoing(), "{title}");

        let mut ids = ids.into_iter();
        for Sighting { packet, .. } in replies {
            let is_event = packet.header.op == Op::WATCH_EVENT;
            let packet = if is_event { packet } else { renumbered(packet, ids.next().unwrap()) };
            mux.receive(&bytes(&packet));
        }
        let mut arrivals = Vec::new();
        while let Some(arrival) = mux.poll().unwrap() {
            arrivals.push(match arrival {
                Arrival::Answer(id) => mux.take_answer(id).unwrap().map(|_| "answer".to_owned()),
                Arrival::Event(inbox) => {
                    Ok(format!("event {}", mux.take_event(inbox).unwrap().path()))
                }
                stray @ Arrival::Stray(_) => panic!("{title}: {stray:?}"),
            });
        }
        arrivals.into_iter().collect::<Result<_, _>>().unwrap()
    }

    /// The types of all packets.
    pub(crate) fn ops(&self) -> Vec<Op> {
        sightings(&self.0).iter().map(|sighting| sighting.packet.header.op).collect()
    }

    fn exchange(&self, title: &str) -> Vec<Sighting> {
        let (_, rest) =
            self.0.split_once(&format!("[{title}]\n")).unwrap_or_else(|| panic!("no [{title}]"));
        sightings(rest.split("\n[").next().unwrap_or(rest))
    }
}

/// The vectors of one operation.
pub(crate) fn vectors(operation: &str) -> Vectors {
    read(folder().join(operation).with_extension("txt"))
}

/// The vectors of all operations.
pub(crate) fn all() -> Vec<Vectors> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|file| file.extension().is_some_and(|end| end == "txt")).map(read).collect()
}

fn read(file: PathBuf) -> Vectors {
    Vectors(fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file:?}: {error}")))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// The packets in the lines of a file. What a line says behind its semicolon is for people.
fn sightings(text: &str) -> Vec<Sighting> {
    let (mut requests, mut replies) = (Decoder::default(), Decoder::default());
    let mut seen = Vec::new();
    for line in text.lines().filter(|line| line.starts_with(['<', '>'])) {
        let is_request = line.starts_with('>');
        let decoder = if is_request { &mut requests } else { &mut replies };
        let hex = line[1..].split(';').next().unwrap_or_default().replace(' ', "");
        decoder.feed(&hex.as_bytes().chunks(2).map(byte).collect::<Vec<_>>());
        let packet = decoder.next_packet().or_else(|oversized| {
            decoder.let_through(oversized); // a directory of oxenstored
            decoder.next_packet()
        });
        seen.extend(packet.unwrap().map(|packet| Sighting { is_request, packet }));
    }
    seen
}

fn byte(hex: &[u8]) -> u8 {
    u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap()
}

fn encoded(request: &Request<'_>, header: Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(header.request, header.tx, &mut bytes).unwrap();
    bytes
}

fn bytes(packet: &Packet) -> Vec<u8> {
    [&packet.header.to_bytes()[..], &packet.payload].concat()
}

/// The packet with the id of our own request: libxenstore numbers all of its requests 0.
fn renumbered(packet: Packet, id: RequestId) -> Packet {
    Packet { header: Header { request: id.0, ..packet.header }, ..packet }
}
