//! What can happen to a store.

use std::fmt;

use xs::proto::{Header, Op};

/// A connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// A socket of the host: a privileged one.
    Socket(usize),
    /// The ring of a domain.
    Guest(u16),
}

/// One thing that happens.
#[derive(Clone)]
pub(crate) enum Step {
    Ask {
        who: Who,
        op: Op,
        tx: u32,
        payload: Vec<u8>,
    },
    /// A socket is closed, and another opened in its place.
    Reconnect(usize),
    /// A domain comes to be; the store is not told.
    Add(u16),
    ShutDown(u16),
    /// A domain dies; until it is removed it exists.
    Kill(u16),
    Remove(u16),
}

impl Step {
    /// Whether the store may come to know a domain by it.
    pub(crate) const fn acquaints(&self) -> bool {
        matches!(self, Self::Ask { op: Op::INTRODUCE | Op::SET_PERMS, .. })
    }

    /// A change that concerns nobody. Where none has been made since the last domain of an id went,
    /// the C xenstored takes permissions for the next one's: the one step in which it differs.
    pub(crate) fn tick() -> Self {
        let payload = b"/tick\0".to_vec();
        Self::Ask { who: Who::Socket(0), op: Op::WRITE, tx: 0, payload }
    }
}

/// What a connection was sent.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) header: Header,
    pub(crate) payload: Vec<u8>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask { who, op, tx, payload } => {
                write!(f, "{who:?} {} tx {tx} {}", name(*op), text(payload))
            }
            Self::Reconnect(socket) => write!(f, "socket {socket} reconnects"),
            Self::Add(dom) => write!(f, "domain {dom} comes to be"),
            Self::ShutDown(dom) => write!(f, "domain {dom} shuts down"),
            Self::Kill(dom) => write!(f, "domain {dom} dies"),
            Self::Remove(dom) => write!(f, "domain {dom} is no more"),
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Header { op, request, tx, .. } = self.header;
        write!(f, "{} of {request} tx {} {}", name(op), tx.0, text(&self.payload))
    }
}

fn name(op: Op) -> String {
    op.name().map_or_else(|| op.0.to_string(), str::to_owned)
}

fn text(payload: &[u8]) -> String {
    let shown = &payload[..payload.len().min(300)];
    format!("\"{}\" ({} bytes)", shown.escape_ascii(), payload.len())
}
