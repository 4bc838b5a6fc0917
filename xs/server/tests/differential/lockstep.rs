//! Both sides, one step at a time.

use std::collections::{BTreeMap, VecDeque};

use store_daemons::{Kind, Setup};
use xs::proto::Op;
use xs_server::Quotas;

use crate::author::{DOMAINS, SOCKETS};
use crate::ours::Ours;
use crate::step::{Sent, Step, Who};
use crate::theirs::Theirs;

pub(crate) struct Lockstep {
    seed: u64,
    ours: Ours,
    theirs: Theirs,
    /// How many requests there were.
    pub(crate) requests: u32,
    /// How often each operation ended in what: `OK`, or an error.
    pub(crate) outcomes: BTreeMap<(u32, String), u64>,
    latest: VecDeque<String>,
}

impl Lockstep {
    pub(crate) fn start(seed: u64, quotas: Quotas) -> Self {
        let theirs = Theirs::start(setup(quotas), SOCKETS).expect("the daemon starts");
        let ours = Ours::new(quotas, SOCKETS);
        let (outcomes, latest) = Default::default();
        Self { seed, ours, theirs, requests: 0, outcomes, latest }
    }

    pub(crate) fn there(&self) -> Vec<Who> {
        all().filter(|who| self.ours.is_there(*who)).collect()
    }

    /// Takes a step on both sides. Returns who was sent what: the same on both.
    pub(crate) fn step(&mut self, step: &Step) -> Vec<(Who, Sent)> {
        self.requests += 1;
        if self.latest.len() == REMEMBERED {
            self.latest.pop_front();
        }
        self.latest.push_back(format!("{} {step:?}", self.requests));
        self.ours.happens(step, self.requests);
        if let Err(error) = self.theirs.happens(step, self.requests) {
            self.fail(&format!("the daemon: {error}"));
        }
        let mut sent = Vec::new();
        for who in all() {
            let mut ours = self.ours.sent(who);
            self.latest.extend(ours.iter().map(|ours| format!("    {who:?} was sent {ours:?}")));
            let mut theirs = self.received(who, ours.len());
            // Where the next connection in its list is that of the domain, the C xenstored lets go of
            // it only when the reply is on its way.
            if matches!(step, Step::Ask { op: Op::RELEASE, .. }) {
                ours.sort_by_key(|sent| sent.header.op == Op::WATCH_EVENT);
                theirs.sort_by_key(|sent| sent.header.op == Op::WATCH_EVENT);
            }
            for (ours, theirs) in ours.into_iter().zip(theirs) {
                if !are_same(&ours, &theirs) {
                    self.fail(&format!("{who:?} was sent {theirs:?} by the daemon, not {ours:?}"));
                }
                sent.push((who, ours));
            }
        }
        self.count(step, &sent);
        match step {
            // To the C xenstored a domain is younger than what was written before its id was used
            // anew, but only if there was a change of anything in between.
            Step::Ask { op: Op::RELEASE, .. } => {
                drop(self.ask(Who::Socket(0), Op::WRITE, b"/tool\0"))
            }
            Step::Add(_) | Step::Ask { .. } => {}
            // The daemon has to take notice of it, which it does for one event after the other.
            _ => (0..16).for_each(|_| drop(self.ask(Who::Socket(0), Op::WRITE, b"/tool\0"))),
        }
        sent
    }

    fn count(&mut self, step: &Step, sent: &[(Who, Sent)]) {
        for (_, sent) in sent {
            let (op, outcome) = match (sent.header.op, step) {
                (Op::ERROR, Step::Ask { op, .. }) => (*op, name(&sent.payload)),
                (op, _) => (op, "OK".to_owned()),
            };
            *self.outcomes.entry((op.0, outcome)).or_default() += 1;
        }
    }

    /// What the daemon sends a connection.
    fn received(&mut self, who: Who, count: usize) -> Vec<Sent> {
        let mut received = Vec::with_capacity(count);
        while received.len() < count {
            match self.theirs.receive(who) {
                Ok(sent) => received.push(sent),
                Err(error) => self.fail(&format!("{who:?} was sent {received:?} by it: {error}")),
            }
        }
        received
    }

    /// Asks each connection for something that does nothing, so that an event too many shows.
    pub(crate) fn look_for_more(&mut self) {
        for who in self.there() {
            self.ask(who, Op::GET_DOMAIN_PATH, b"1\0");
        }
    }

    /// Compares the whole store. Returns how many nodes it has.
    pub(crate) fn compare_trees(&mut self) -> usize {
        let mut open = vec!["/".to_owned()];
        let mut nodes = 0;
        while let Some(path) = open.pop() {
            nodes += 1;
            let payload = [path.as_bytes(), b"\0"].concat();
            self.ask(Who::Socket(0), Op::READ, &payload);
            self.ask(Who::Socket(0), Op::GET_PERMS, &payload);
            let names = self.ask(Who::Socket(0), Op::DIRECTORY, &payload);
            for name in names.split_terminator('\0') {
                open.push(if path == "/" { format!("/{name}") } else { format!("{path}/{name}") });
            }
        }
        nodes
    }

    fn ask(&mut self, who: Who, op: Op, payload: &[u8]) -> String {
        let sent = self.step(&Step::Ask { who, op, tx: 0, payload: payload.to_vec() });
        let reply = sent.into_iter().find(|(to, sent)| *to == who && sent.header.op == op);
        reply
            .map(|(_, sent)| String::from_utf8_lossy(&sent.payload).into_owned())
            .unwrap_or_default()
    }

    fn fail(&self, what: &str) -> ! {
        let latest: Vec<_> = self.latest.iter().map(String::as_str).collect();
        panic!("seed {}, after\n{}\n{what}", self.seed, latest.join("\n"))
    }
}

fn all() -> impl Iterator<Item = Who> {
    (0..SOCKETS).map(Who::Socket).chain(DOMAINS.map(Who::Guest))
}

/// The C daemon with these quotas. It has none of memory, which the two measure differently, and no
/// event is too old for it.
fn setup(quotas: Quotas) -> Setup {
    let flags = [
        format!("--entry-nb={}", quotas.nodes),
        format!("--entry-size={}", quotas.node_size),
        format!("--watch-nb={}", quotas.watches),
        format!("--transaction={}", quotas.transactions),
        format!("--perm-nb={}", quotas.permissions),
        format!("--quota=transaction-nodes={}", quotas.transaction_nodes),
        "--quota=memory=0".to_owned(),
        "--timeout=watch-event=0".to_owned(),
    ];
    flags.into_iter().fold(Setup::new(Kind::C), Setup::flag)
}

fn are_same(ours: &Sent, theirs: &Sent) -> bool {
    let head = |sent: &Sent| (sent.header.op, sent.header.request, sent.header.tx);
    if head(ours) != head(theirs) {
        return false;
    }
    match ours.header.op {
        Op::DIRECTORY_PART => names_of_part(ours) == names_of_part(theirs),
        _ => ours.payload == theirs.payload,
    }
}

/// The name of an error.
fn name(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).trim_end_matches('\0').to_owned()
}

/// The names without the generation, which the two count differently; how many names there is room
/// for depends on its length, so a few at the end are left out where there are more.
fn names_of_part(sent: &Sent) -> &[u8] {
    let start = sent.payload.iter().position(|byte| *byte == 0).map_or(0, |end| end + 1);
    let names = &sent.payload[start..];
    if sent.payload.len() < 3900 { names } else { &names[..3800] }
}

/// How many lines of the latest events a failure shows.
const REMEMBERED: usize = 60;
