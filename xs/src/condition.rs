//! What can be waited for, as values. Pure: a condition looks at what was read, it does not read.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::path::Path;

/// Something that values in the store can fulfil.
#[derive(Clone)]
pub struct Condition(Node);

#[derive(Clone)]
enum Node {
    Leaf { path: Path, test: Test },
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

#[derive(Clone)]
enum Test {
    Appears,
    Vanishes,
    Becomes(Vec<u8>),
    Holds { what: Cow<'static, str>, predicate: Arc<Predicate> },
}

type Predicate = dyn Fn(Option<&[u8]>) -> bool + Send + Sync;

/// What was read: a value, or `None` for a node that is missing.
pub(crate) type Seen = BTreeMap<Path, Option<Vec<u8>>>;

/// A condition that was met: by what, and on which values.
#[derive(Debug, Clone)]
pub struct Met {
    which: usize,
    seen: Seen,
}

/// The node exists, with any value.
pub fn appears(path: Path) -> Condition {
    Condition(Node::Leaf { path, test: Test::Appears })
}

/// The node does not exist.
pub fn vanishes(path: Path) -> Condition {
    Condition(Node::Leaf { path, test: Test::Vanishes })
}

/// The node has exactly this value.
pub fn becomes(path: Path, value: impl Into<Vec<u8>>) -> Condition {
    Condition(Node::Leaf { path, test: Test::Becomes(value.into()) })
}

/// The node's value, `None` if it is missing, fulfils a predicate; `what` says it in words that
/// follow the path, such as `is closed or gone`.
pub fn holds(
    path: Path,
    what: impl Into<Cow<'static, str>>,
    predicate: impl Fn(Option<&[u8]>) -> bool + Send + Sync + 'static,
) -> Condition {
    let test = Test::Holds { what: what.into(), predicate: Arc::new(predicate) };
    Condition(Node::Leaf { path, test })
}

/// All of these at the same time; met at once if there are none.
pub fn all_of(conditions: impl IntoIterator<Item = Condition>) -> Condition {
    Condition(Node::All(conditions.into_iter().collect()))
}

/// Any of these. Where several are met, [`Met::which`] is the first: put what matters most first.
pub fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Condition {
    Condition(Node::Any(conditions.into_iter().collect()))
}

impl Condition {
    /// The nodes to read, each once.
    pub(crate) fn unseen(&self) -> Seen {
        let mut paths = Seen::new();
        self.collect(&mut paths);
        paths
    }

    fn collect(&self, paths: &mut Seen) {
        match &self.0 {
            Node::Leaf { path, .. } => {
                paths.insert(path.clone(), None);
            }
            Node::All(inner) | Node::Any(inner) => {
                inner.iter().for_each(|condition| condition.collect(paths));
            }
        }
    }

    /// Whether what was seen meets the condition.
    pub(crate) fn check(&self, seen: &Seen) -> Option<Met> {
        let which = match &self.0 {
            Node::Any(inner) => inner.iter().position(|condition| condition.is_met(seen))?,
            _ if self.is_met(seen) => 0,
            _ => return None,
        };
        Some(Met { which, seen: seen.clone() })
    }

    fn is_met(&self, seen: &Seen) -> bool {
        match &self.0 {
            Node::Leaf { path, test } => test.is_met(seen.get(path).and_then(Option::as_deref)),
            Node::All(inner) => inner.iter().all(|condition| condition.is_met(seen)),
            Node::Any(inner) => inner.iter().any(|condition| condition.is_met(seen)),
        }
    }
}

impl Test {
    fn is_met(&self, value: Option<&[u8]>) -> bool {
        match self {
            Self::Appears => value.is_some(),
            Self::Vanishes => value.is_none(),
            Self::Becomes(wanted) => value == Some(wanted),
            Self::Holds { predicate, .. } => predicate(value),
        }
    }
}

impl Met {
    /// Which of [`any_of`] was met first in its order; 0 for every other condition.
    pub const fn which(&self) -> usize {
        self.which
    }

    /// The value that a node of the condition had; `None` if it was missing.
    pub fn value(&self, path: &Path) -> Option<&[u8]> {
        self.seen.get(path).and_then(Option::as_deref)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, inner: &[Self], word: &str| {
            let texts: Vec<_> = inner.iter().map(Self::to_string).collect();
            f.write_str(&texts.join(word))
        };
        match &self.0 {
            Node::Leaf { path, test } => write!(f, "{path} {test}"),
            Node::All(inner) => list(f, inner, " and "),
            Node::Any(inner) => list(f, inner, " or "),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appears => f.write_str("appears"),
            Self::Vanishes => f.write_str("vanishes"),
            Self::Becomes(value) => write!(f, "becomes {}", quoted(value)),
            Self::Holds { what, .. } => f.write_str(what),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({self})")
    }
}

/// What was seen, in words.
pub(crate) fn describe(seen: &Seen) -> String {
    let nodes = seen.iter().map(|(path, value)| match value {
        Some(value) => format!("{path} is {}", quoted(value)),
        None => format!("{path} is missing"),
    });
    nodes.collect::<Vec<_>>().join(", ")
}

/// A guest may have written the value: escaped, and cut.
fn quoted(value: &[u8]) -> String {
    match value.split_at_checked(LONGEST_QUOTE) {
        Some((start, rest)) if !rest.is_empty() => format!("\"{}\"...", start.escape_ascii()),
        _ => format!("\"{}\"", value.escape_ascii()),
    }
}

const LONGEST_QUOTE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: Path = Path::from_static("/state");
    const ERROR: Path = Path::from_static("/error");

    fn seen(state: Option<&[u8]>, error: Option<&[u8]>) -> Seen {
        Seen::from([(STATE, state.map(Vec::from)), (ERROR, error.map(Vec::from))])
    }

    #[test]
    fn an_empty_value_has_appeared() {
        assert!(appears(STATE).check(&seen(Some(b""), None)).is_some());
        assert!(vanishes(STATE).check(&seen(Some(b""), None)).is_none());
    }

    #[test]
    fn a_missing_node_has_vanished_and_has_no_value() {
        assert!(vanishes(STATE).check(&seen(None, None)).is_some());
        assert!(becomes(STATE, "").check(&seen(None, None)).is_none());
    }

    #[test]
    fn any_says_which_and_prefers_the_first() {
        let condition = any_of([appears(ERROR), becomes(STATE, "4")]);
        assert_eq!(condition.check(&seen(Some(b"4"), None)).unwrap().which(), 1);
        assert_eq!(condition.check(&seen(Some(b"4"), Some(b"no"))).unwrap().which(), 0);
        assert!(condition.check(&seen(Some(b"3"), None)).is_none());
    }

    #[test]
    fn all_needs_each_at_the_same_time() {
        let condition = all_of([vanishes(ERROR), becomes(STATE, "4")]);
        assert!(condition.check(&seen(Some(b"4"), None)).is_some());
        assert!(condition.check(&seen(Some(b"4"), Some(b""))).is_none());
        assert!(all_of([]).check(&Seen::new()).is_some());
        assert!(any_of([]).check(&Seen::new()).is_none());
    }

    #[test]
    fn what_was_met_keeps_its_values() {
        let met = appears(STATE).check(&seen(Some(b"6"), None)).unwrap();
        assert_eq!(met.value(&STATE), Some(&b"6"[..]));
        assert_eq!(met.value(&ERROR), None);
    }

    #[test]
    fn a_condition_says_what_it_waits_for() {
        let closed = holds(STATE, "is closed or gone", |value| matches!(value, None | Some(b"6")));
        let condition = any_of([closed, becomes(ERROR, b"\x1b")]);
        assert_eq!(condition.to_string(), r#"/state is closed or gone or /error becomes "\x1b""#);
    }

    #[test]
    fn what_was_seen_is_cut_and_escaped() {
        assert_eq!(describe(&seen(None, Some(b"a\n"))), r#"/error is "a\n", /state is missing"#);
        assert_eq!(quoted(&[b'x'; 65]), format!("\"{}\"...", "x".repeat(64)));
        assert_eq!(quoted(&[b'x'; 64]), format!("\"{}\"", "x".repeat(64)));
    }
}
