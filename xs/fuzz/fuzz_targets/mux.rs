//! A daemon that sends anything to a client that has asked everything: no answer panics when it is
//! read as what it ought to be, and the client holds no more memory than the bytes it was sent
//! account for.

#![no_main]

use std::alloc::System;
use std::collections::BTreeSet;

use cap::Cap;
use libfuzzer_sys::fuzz_target;
use xen_types::{DomId, Gfn, Port};
use xs::proto::{Answer, Arrival, Features, InboxId, Mux, Request, RequestId, TxId};
use xs::{Path, Perms};

#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

fuzz_target!(|input: &[u8]| {
    let Some((size, stream)) = input.split_first() else { return };
    let mut client = Client::new();
    let before = MEMORY.allocated();
    let spoken = client.mux.outgoing().len();
    for piece in stream.chunks(usize::from(*size) + 1) {
        if !client.hear(piece) {
            break;
        }
    }
    client.check(spoken);
    let held = MEMORY.allocated().saturating_sub(before);
    assert!(held <= FIXED + PER_BYTE * stream.len(), "{held} bytes held after {}", stream.len());
    client.drain();
});

struct Client {
    mux: Mux,
    inboxes: [InboxId; 2],
    waiting: BTreeSet<RequestId>,
}

impl Client {
    /// One request of each kind is out, in the order of their types from id 1 on; then come two
    /// watches, and requests that nobody waits for.
    fn new() -> Self {
        const A: Path = Path::from_static("/a");
        let path = &A;
        let dom = DomId::DOM0;
        let perms = &Perms::private(dom);
        let features = Features::ERROR;
        let mut mux = Mux::new();
        let requests = [
            Request::Control(&["check"]),
            Request::Directory(path),
            Request::Read(path),
            Request::GetPerms(path),
            Request::TransactionStart,
            Request::TransactionEnd { commit: true },
            Request::Introduce { dom, gfn: Gfn(1), port: Port(1) },
            Request::Release(dom),
            Request::GetDomainPath(dom),
            Request::Write { path, value: b"1" },
            Request::Mkdir(path),
            Request::Rm(path),
            Request::SetPerms { path, perms },
            Request::IsDomainIntroduced(dom),
            Request::Resume(dom),
            Request::SetTarget { dom, target: dom },
            Request::ResetWatches,
            Request::DirectoryPart { path, offset: 0 },
            Request::GetFeature(None),
            Request::SetFeature { dom, features },
            Request::GetQuotaNames,
            Request::GetQuota { dom: None, name: "nodes" },
            Request::SetQuota { dom: None, name: "nodes", value: 1 },
        ];
        let mut waiting: BTreeSet<_> =
            requests.iter().map(|request| sent(mux.send(request, TxId::NONE))).collect();
        let inboxes = [mux.open_inbox(), mux.open_inbox()];
        waiting.extend(inboxes.map(|inbox| sent(mux.watch(path, None, inbox))));
        for request in [Request::TransactionStart, Request::Directory(path), Request::Read(path)] {
            sent(mux.send_and_forget(&request, TxId::NONE));
        }
        Self { mux, inboxes, waiting }
    }

    /// Takes in some of the stream; `false` when the connection has to end.
    fn hear(&mut self, piece: &[u8]) -> bool {
        self.mux.receive(piece);
        loop {
            match self.mux.poll() {
                Ok(Some(Arrival::Answer(id))) => {
                    assert!(self.waiting.remove(&id), "{id:?} is answered and does not wait");
                    read(&self.mux.take_answer(id).expect("it has arrived"));
                }
                // The second inbox is one that nobody reads.
                Ok(Some(Arrival::Event(inbox))) if inbox == self.inboxes[0] => {
                    assert!(self.mux.take_event(inbox).is_some());
                }
                Ok(Some(Arrival::Event(inbox))) => assert!(self.mux.has_event(inbox)),
                Ok(Some(Arrival::Stray(_))) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    /// What the daemon said made the client say no more than it has to.
    fn check(&self, spoken: usize) {
        // The abandoned transaction is discarded, once.
        assert!(self.mux.outgoing().len() - spoken <= 18);
        assert!(self.mux.unanswered() <= 3);
        for id in &self.waiting {
            assert!(!self.mux.has_answer(*id));
        }
    }

    fn drain(mut self) {
        let events = std::iter::from_fn(|| self.mux.take_event(self.inboxes[1])).count();
        assert!(events <= MOST_EVENTS, "{events} events waited");
        for inbox in self.inboxes {
            self.mux.close_inbox(inbox);
        }
    }
}

/// Reads an answer as everything that it may be.
fn read(answer: &Answer) {
    match answer {
        Ok(reply) => {
            if let Ok(part) = reply.part() {
                assert_eq!(part.len as usize, part.names.iter().map(|name| name.len() + 1).sum());
            }
            if let Ok(perms) = reply.perms() {
                assert_eq!(Perms::parse(perms.to_string().split(',')), Ok(perms));
            }
            if let Ok(names) = reply.names() {
                assert!(names.iter().all(|name| !name.is_empty() && !name.contains('/')));
            }
            let _ = (reply.tx(), reply.flag(), reply.path(), reply.features());
            let _ = (reply.number(), reply.words(), reply.clone().into_value());
        }
        Err(refusal) => assert!(!refusal.to_string().contains('\x1b')),
    }
}

fn sent<T, E: std::fmt::Debug>(sent: Result<T, E>) -> T {
    sent.expect("a request that may be sent")
}

/// As many nodes as are told apart, and one event for all of the only watch.
const MOST_EVENTS: usize = 1024 + 1;

/// What is held for the undo of a transaction, and by tables that are all but empty.
const FIXED: usize = 8 * 1024;

/// An event of 23 bytes is a path in a queue and in a set, either of which may be half empty.
const PER_BYTE: usize = 7;
