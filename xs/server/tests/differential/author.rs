//! Makes up what happens next.

mod request;

use std::collections::BTreeMap;

use xs::proto::Op;

use crate::random::Random;
use crate::step::{Sent, Step, Who};

pub(crate) struct Author {
    random: Random,
    /// Those of [`DOMAINS`] that exist.
    domains: BTreeMap<u16, Domain>,
    transactions: BTreeMap<Who, Vec<u32>>,
}

#[derive(Default)]
struct Domain {
    dying: bool,
    target: Option<u16>,
}

/// How many sockets there are. The first has a watch that it keeps, and is never closed.
pub(crate) const SOCKETS: usize = 2;

pub(crate) const DOMAINS: [u16; 3] = [1, 2, 3];

impl Author {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), domains: BTreeMap::new(), transactions: BTreeMap::new() }
    }

    /// What stands at the beginning.
    pub(crate) fn beginning() -> Vec<Step> {
        let ask = |op, payload: String| Step::Ask {
            who: Who::Socket(0),
            op,
            tx: 0,
            payload: payload.into_bytes(),
        };
        let mut steps = vec![
            ask(Op::WATCH, "@releaseDomain\0kept\0".into()),
            ask(Op::MKDIR, "/shared\0".into()),
            ask(Op::SET_PERMS, "/shared\0b0\0".into()),
        ];
        steps.extend((0..60).map(|n| ask(Op::MKDIR, format!("/big/{n}{}\0", "x".repeat(80)))));
        steps
    }

    /// What happens next, with these connections there.
    pub(crate) fn next(&mut self, there: &[Who]) -> Step {
        loop {
            let step = match self.random.below(100) {
                0..3 => self.fate(),
                3 if self.random.once_in(8) => Some(Step::Reconnect(1)),
                4..8 => Some(self.toolstack()),
                _ => {
                    let who = self.random.one_of(there);
                    Some(self.request(who))
                }
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    /// Takes notice of what a step has led to.
    pub(crate) fn learn(&mut self, step: &Step, replies: &[(Who, Sent)]) {
        match *step {
            Step::Add(dom) => {
                self.domains.insert(dom, Domain::default());
            }
            Step::Remove(dom) => {
                self.domains.remove(&dom);
                self.transactions.remove(&Who::Guest(dom));
            }
            Step::Kill(dom) => {
                if let Some(domain) = self.domains.get_mut(&dom) {
                    *domain = Domain { dying: true, target: None };
                }
                self.transactions.remove(&Who::Guest(dom));
            }
            Step::ShutDown(_) => {}
            Step::Reconnect(socket) => {
                self.transactions.remove(&Who::Socket(socket));
            }
            Step::Ask { who, op, tx, ref payload } => {
                let reply = replies.iter().find(|(to, sent)| *to == who && sent.header.op == op);
                if let Some((_, reply)) = reply {
                    self.succeeded(who, op, tx, payload, &reply.payload);
                } else if op == Op::TRANSACTION_END {
                    self.open(who).retain(|id| *id != tx || payload.len() != 2);
                }
            }
        }
    }

    fn succeeded(&mut self, who: Who, op: Op, tx: u32, payload: &[u8], reply: &[u8]) {
        let mut words = payload.split(|byte| *byte == 0);
        let mut dom = || words.next().and_then(number).and_then(|dom| u16::try_from(dom).ok());
        match op {
            Op::TRANSACTION_START => {
                let id = reply.split_last().and_then(|(_, id)| number(id));
                self.open(who).extend(id);
            }
            Op::TRANSACTION_END => self.open(who).retain(|id| *id != tx),
            Op::RESET_WATCHES => self.open(who).clear(),
            Op::INTRODUCE | Op::RELEASE => {
                let Some(dom) = dom() else { return };
                self.open(Who::Guest(dom)).clear();
                if op == Op::RELEASE
                    && let Some(domain) = self.domains.get_mut(&dom)
                {
                    domain.target = None;
                }
            }
            Op::SET_TARGET => {
                let (dom, target) = (dom(), dom());
                if let Some(domain) = dom.and_then(|dom| self.domains.get_mut(&dom)) {
                    domain.target = target;
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, who: Who) -> &mut Vec<u32> {
        self.transactions.entry(who).or_default()
    }

    /// Something that happens to a domain.
    fn fate(&mut self) -> Option<Step> {
        let dom = self.random.one_of(&DOMAINS);
        let Some(domain) = self.domains.get(&dom) else { return Some(Step::Add(dom)) };
        let dying = domain.dying;
        match self.random.below(8) {
            // The C xenstored lets go of the target of another only when that one goes.
            0 if !self.is_target(dom) => Some(Step::Remove(dom)),
            1 if !dying && !self.is_target(dom) => Some(Step::Kill(dom)),
            2 if !dying => Some(Step::ShutDown(dom)),
            _ => None,
        }
    }

    /// What a toolstack does, so that guests have something to work with.
    fn toolstack(&mut self) -> Step {
        let dom = self.random.one_of(&DOMAINS);
        let (op, payload) = match self.random.below(8) {
            0 => (Op::MKDIR, "/shared\0".to_owned()),
            1 => (Op::SET_PERMS, "/shared\0b0\0".to_owned()),
            2 => (Op::MKDIR, format!("/local/domain/{dom}\0")),
            3 => (Op::SET_PERMS, format!("/local/domain/{dom}\0n{dom}\0")),
            4 => (Op::WRITE, format!("/local/domain/{dom}/a/b\0value")),
            5 => return self.by_dom0(Self::target),
            _ => (Op::INTRODUCE, format!("{dom}\x001044476\x001\0")),
        };
        self.by_dom0(|_| (op, payload.into_bytes()))
    }

    fn by_dom0(&mut self, ask: impl FnOnce(&mut Self) -> (Op, Vec<u8>)) -> Step {
        let (op, payload) = ask(self);
        Step::Ask { who: Who::Socket(0), op, tx: 0, payload }
    }

    fn is_target(&self, dom: u16) -> bool {
        self.domains.values().any(|domain| domain.target == Some(dom))
    }
}

impl Domain {
    /// Whether it may get a target or be one.
    fn is_free(&self) -> bool {
        !self.dying && self.target.is_none()
    }
}

fn number(text: &[u8]) -> Option<u32> {
    str::from_utf8(text).ok()?.parse().ok()
}
