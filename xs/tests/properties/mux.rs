//! The multiplexer against a model of a daemon and of those who ask it.
//!
//! The daemon sees only the bytes that went out and answers them in any order, in pieces. It gives
//! every reply a payload of its own, so an answer that reached the wrong request would show.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::collection::vec;
use proptest::prelude::*;
use xs::Path;
use xs::proto::{
    Arrival, Decoder, ErrorCode, Header, InboxId, Mux, Op, Packet, Refusal, Request, RequestId,
    TxId,
};

use crate::config;

/// One thing that happens. A number picks from what there is at the time.
#[derive(Debug, Clone)]
enum Step {
    Ask(Question),
    Answer { which: usize, how: How, cut: usize },
    Take(usize),
    Abandon(usize),
    OpenInbox,
    Watch(usize, Path),
    Unwatch(usize, Path),
    CloseInbox(usize),
    Fire { token: usize, path: Path, cut: usize },
    TakeEvent(usize),
    Stray { request: u32, cut: usize },
}

#[derive(Debug, Clone, Copy)]
enum Question {
    Read,
    Directory,
    Start,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Well,
    Error,
    OtherType,
}

fn step() -> impl Strategy<Value = Step> {
    let any = || 0..1000_usize;
    let question = prop::sample::select(&[Question::Read, Question::Directory, Question::Start]);
    let how = prop_oneof![4 => Just(How::Well), 1 => Just(How::Error), 1 => Just(How::OtherType)];
    let path = || prop::sample::select(&["/a", "/b", "/a/c"]).prop_map(Path::from_static);
    prop_oneof![
        4 => question.prop_map(Step::Ask),
        6 => (any(), how, any()).prop_map(|(which, how, cut)| Step::Answer { which, how, cut }),
        3 => any().prop_map(Step::Take),
        2 => any().prop_map(Step::Abandon),
        1 => Just(Step::OpenInbox),
        2 => (any(), path()).prop_map(|(inbox, path)| Step::Watch(inbox, path)),
        1 => (any(), path()).prop_map(|(inbox, path)| Step::Unwatch(inbox, path)),
        1 => any().prop_map(Step::CloseInbox),
        4 => (any(), path(), any()).prop_map(|(token, path, cut)| Step::Fire { token, path, cut }),
        2 => any().prop_map(Step::TakeEvent),
        1 => (10_000_u32.., any()).prop_map(|(request, cut)| Step::Stray { request, cut }),
    ]
}

/// What an asker has to get.
type Expected = Result<Vec<u8>, Refusal>;

#[derive(Debug, PartialEq, Eq)]
struct Watched {
    path: Path,
    inbox: InboxId,
}

#[derive(Debug, Default)]
struct Model {
    mux: Mux,
    // the daemon
    heard: Decoder,
    asked: Vec<Header>,
    replies: u32,
    transactions: BTreeSet<u32>,
    // those who ask
    waiting: BTreeSet<RequestId>,
    answered: BTreeMap<RequestId, Expected>,
    abandoned: BTreeSet<RequestId>,
    inboxes: BTreeMap<InboxId, VecDeque<Path>>,
    /// The watches by token: `None` once they have ended. Tokens count from 1.
    watches: Vec<Option<Watched>>,
    /// The WATCH requests that are out, with their tokens.
    watching: BTreeMap<RequestId, usize>,
}

impl Model {
    fn step(&mut self, step: Step) {
        match step {
            Step::Ask(question) => self.ask(question),
            Step::Answer { which, how, cut } => self.answer(which, how, cut),
            Step::Take(which) => self.take(which),
            Step::Abandon(which) => self.abandon(which),
            Step::OpenInbox => {
                let inbox = self.mux.open_inbox();
                self.inboxes.insert(inbox, VecDeque::new());
            }
            Step::Watch(inbox, path) => self.watch(inbox, path),
            Step::Unwatch(inbox, path) => {
                let Some(inbox) = pick(self.inboxes.keys(), inbox) else { return };
                self.mux.unwatch(&path, inbox);
                self.end_watches(&|watched| watched.inbox == inbox && watched.path == path);
            }
            Step::CloseInbox(inbox) => {
                let Some(inbox) = pick(self.inboxes.keys(), inbox) else { return };
                self.mux.close_inbox(inbox);
                self.inboxes.remove(&inbox);
                self.end_watches(&|watched| watched.inbox == inbox);
            }
            Step::Fire { token, path, cut } => self.fire(token, &path, cut),
            Step::TakeEvent(inbox) => {
                let Some(inbox) = pick(self.inboxes.keys(), inbox) else { return };
                self.take_event(inbox);
            }
            Step::Stray { request, cut } => {
                let header = Header { op: Op::READ, request, tx: TxId::NONE, len: 0 };
                self.deliver(header, b"", cut, Some(Arrival::Stray(header)));
            }
        }
        self.listen();
    }

    fn ask(&mut self, question: Question) {
        let path = Path::from_static("/a");
        let request = match question {
            Question::Read => Request::Read(&path),
            Question::Directory => Request::Directory(&path),
            Question::Start => Request::TransactionStart,
        };
        let id = self.mux.send(&request, TxId::NONE).unwrap();
        assert!(self.waiting.insert(id), "{id:?} is in use");
    }

    /// The daemon answers one of the requests it knows, and does not know it any more.
    fn answer(&mut self, which: usize, how: How, cut: usize) {
        if self.asked.is_empty() {
            return;
        }
        let asked = self.asked.swap_remove(which % self.asked.len());
        let id = RequestId(asked.request);
        self.replies += 1;
        let (op, payload) = match how {
            How::Well => (asked.op, format!("{}\0", self.replies).into_bytes()),
            How::Error => (Op::ERROR, format!("E{}\0", self.replies).into_bytes()),
            How::OtherType => (Op(77), b"".to_vec()),
        };
        let expected = match how {
            How::Well => Ok(payload.clone()),
            How::Error => Err(Refusal::Code(ErrorCode::from_payload(&payload))),
            How::OtherType => Err(xs::proto::Malformed { asked: asked.op, got: op }.into()),
        };
        if let (Op::TRANSACTION_START, How::Well) = (asked.op, how) {
            self.transactions.insert(self.replies);
        }
        if let (Some(token), Err(_)) = (self.watching.remove(&id), &expected) {
            self.watches[token - 1] = None;
        }
        let arrival = self.waiting.remove(&id).then(|| {
            self.answered.insert(id, expected);
            Arrival::Answer(id)
        });
        self.abandoned.remove(&id);
        let len = payload.len().try_into().unwrap();
        self.deliver(Header { op, len, ..asked }, &payload, cut, arrival);
    }

    fn take(&mut self, which: usize) {
        let everyone = self.waiting.iter().chain(self.answered.keys());
        let Some(id) = pick(everyone, which) else { return };
        let expected = self.answered.remove(&id);
        assert_eq!(self.mux.has_answer(id), expected.is_some());
        let answer = self.mux.take_answer(id);
        if let Some(Ok(reply)) = &answer
            && let Ok(TxId(tx)) = reply.tx()
        {
            self.transactions.remove(&tx); // whoever asked has it now
        }
        assert_eq!(answer.map(|answer| answer.map(xs::proto::Reply::into_value)), expected);
    }

    fn abandon(&mut self, which: usize) {
        let everyone = self.waiting.iter().chain(self.answered.keys());
        let Some(id) = pick(everyone, which) else { return };
        self.mux.abandon(id);
        self.answered.remove(&id);
        if self.waiting.remove(&id) {
            self.abandoned.insert(id);
        }
        assert_eq!(self.mux.take_answer(id), None);
    }

    fn watch(&mut self, inbox: usize, path: Path) {
        let Some(inbox) = pick(self.inboxes.keys(), inbox) else { return };
        let id = self.mux.watch(&path, None, inbox).unwrap();
        assert!(self.waiting.insert(id), "{id:?} is in use");
        self.watches.push(Some(Watched { path, inbox }));
        self.watching.insert(id, self.watches.len());
    }

    fn end_watches(&mut self, ends: &dyn Fn(&Watched) -> bool) {
        for watched in &mut self.watches {
            watched.take_if(|watched| ends(watched));
        }
    }

    /// An event for one of the tokens, or for the next, which nobody has.
    fn fire(&mut self, token: usize, path: &Path, cut: usize) {
        let token = token % (self.watches.len() + 1);
        let payload = format!("{path}\0xs{}\0", token + 1).into_bytes();
        let len = payload.len().try_into().unwrap();
        let header = Header { op: Op::WATCH_EVENT, request: 0, tx: TxId::NONE, len };
        let arrival = match self.watches.get(token) {
            None => Some(Arrival::Stray(header)),
            Some(None) => None,
            Some(Some(watched)) => {
                let inbox = self.inboxes.get_mut(&watched.inbox).unwrap();
                if !inbox.contains(path) {
                    inbox.push_back(path.clone());
                }
                Some(Arrival::Event(watched.inbox))
            }
        };
        self.deliver(header, &payload, cut, arrival);
    }

    fn take_event(&mut self, inbox: InboxId) {
        let expected = self.inboxes.get_mut(&inbox).unwrap().pop_front();
        assert_eq!(self.mux.has_event(inbox), expected.is_some());
        let event = self.mux.take_event(inbox);
        assert_eq!(event.map(|event| event.path().clone()), expected);
    }

    /// The daemon sends a packet in two pieces; only this may arrive, and only with the second.
    fn deliver(&mut self, header: Header, payload: &[u8], cut: usize, expected: Option<Arrival>) {
        let bytes = [&header.to_bytes()[..], payload].concat();
        let (first, second) = bytes.split_at(cut % bytes.len());
        self.mux.receive(first);
        assert_eq!(self.mux.poll(), Ok(None));
        self.mux.receive(second);
        assert_eq!(self.mux.poll(), Ok(expected));
        assert_eq!(self.mux.poll(), Ok(None));
    }

    /// The daemon takes in what went out.
    fn listen(&mut self) {
        self.heard.feed(self.mux.outgoing());
        self.mux.sent(self.mux.outgoing().len());
        while let Some(Packet { header, payload }) = self.heard.next_packet().unwrap() {
            let id = RequestId(header.request);
            assert!(self.asked.iter().all(|asked| asked.request != id.0), "{id:?} is in use");
            if header.op == Op::TRANSACTION_END {
                // Nobody here ends a transaction: it is one that nobody can use.
                assert_eq!(payload, b"F\0");
                assert!(self.transactions.remove(&header.tx.0), "{:?} is not to end", header.tx);
            }
            if !self.waiting.contains(&id) {
                self.abandoned.insert(id);
            }
            self.asked.push(header);
        }
        assert_eq!(self.mux.unanswered(), self.abandoned.len());
    }

    /// The daemon answers all it was asked, and the askers take all they have.
    fn finish(&mut self) {
        while !self.asked.is_empty() {
            self.step(Step::Answer { which: 0, how: How::Well, cut: 0 });
        }
        while !self.answered.is_empty() {
            self.step(Step::Take(0));
        }
        for inbox in self.inboxes.keys().copied().collect::<Vec<_>>() {
            while self.mux.has_event(inbox) {
                self.take_event(inbox);
            }
        }
    }
}

fn pick<'a, T: Copy + 'a>(from: impl Iterator<Item = &'a T> + Clone, which: usize) -> Option<T> {
    let count = from.clone().count();
    if count == 0 { None } else { from.copied().nth(which % count) }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn everybody_gets_their_own_and_nothing_is_left(steps in vec(step(), 0..120)) {
        let mut model = Model::default();
        let count = steps.len();
        steps.into_iter().for_each(|step| model.step(step));
        model.finish();
        prop_assert_eq!(model.mux.unanswered(), 0);
        prop_assert_eq!(model.waiting, BTreeSet::new());
        prop_assert_eq!(model.transactions, BTreeSet::new());
        prop_assert!(model.inboxes.values().all(VecDeque::is_empty));
        // No id is kept: a reply to any of them now is one that nobody asked for.
        for request in 1..=u32::try_from(2 * count).unwrap() {
            let header = Header { op: Op::READ, request, tx: TxId::NONE, len: 0 };
            model.mux.receive(&header.to_bytes());
            prop_assert_eq!(model.mux.poll(), Ok(Some(Arrival::Stray(header))));
        }
    }
}
