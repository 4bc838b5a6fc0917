//! Who wants to know about which paths.
//!
//! Watches are found by path: a change looks up its own path and those above it, however many
//! watches there are elsewhere.

use std::collections::HashMap;

use crate::by_conn::ByConn;
use crate::core::ConnId;
use crate::store::parent;
use crate::transaction::Exact;

/// All watches of all connections.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_path: HashMap<Box<str>, Vec<Watch>>,
    /// Where the watches of each connection are, in the order in which they came.
    by_conn: ByConn<Vec<Place>>,
    last: u64,
}

/// One watch.
#[derive(Debug, Clone)]
pub(crate) struct Watch {
    pub(crate) conn: ConnId,
    pub(crate) token: Box<[u8]>,
    /// How much of the path goes from the front of what is told: that of a relative watch.
    pub(crate) strip: usize,
    /// How many levels below its path it is for.
    pub(crate) depth: Option<u32>,
    /// Rises from watch to watch.
    number: u64,
}

#[derive(Debug, Clone)]
struct Place {
    path: Box<str>,
    number: u64,
}

impl Watches {
    /// Adds a watch, which must not be there.
    pub(crate) fn add(
        &mut self,
        path: &str,
        conn: ConnId,
        token: &[u8],
        strip: usize,
        depth: Option<u32>,
    ) {
        self.last += 1;
        let number = self.last;
        let watch = Watch { conn, token: token.into(), strip, depth, number };
        match self.by_path.get_mut(path) {
            Some(watches) => watches.push(watch),
            None => {
                self.by_path.insert(path.into(), vec![watch]);
            }
        }
        self.by_conn.entry(conn).or_default().push(Place { path: path.into(), number });
    }

    /// How many there are of all connections.
    pub(crate) fn len(&self) -> usize {
        self.by_path.values().map(Vec::len).sum()
    }

    pub(crate) fn has(&self, path: &str, conn: ConnId, token: &[u8]) -> bool {
        self.find(path, conn, token).is_some()
    }

    /// Ends a watch. Returns what memory it had been charged for; `None` if there is none such.
    pub(crate) fn remove(&mut self, path: &str, conn: ConnId, token: &[u8]) -> Option<i64> {
        let number = self.find(path, conn, token)?;
        if let Some(places) = self.by_conn.get_mut(&conn) {
            places.retain(|place| place.number != number);
        }
        Some(self.drop_watch(path, number))
    }

    /// Ends all watches of a connection. Returns what memory they had been charged for.
    pub(crate) fn remove_all(&mut self, conn: ConnId) -> i64 {
        let places = self.by_conn.remove(&conn).unwrap_or_default();
        places.iter().map(|place| self.drop_watch(&place.path, place.number)).sum()
    }

    /// The watches that a change of `path` is for, those of each connection in the order in which
    /// they came.
    pub(crate) fn of(&self, path: &str, exact: Exact) -> Vec<Watch> {
        let mut found = Vec::new();
        if self.by_path.is_empty() {
            return found;
        }
        let mut level = 0_u32;
        let mut at = path;
        loop {
            let watches = self.by_path.get(at).map_or(&[][..], Vec::as_slice);
            found.extend(
                watches
                    .iter()
                    .filter(|watch| watch.depth.is_none_or(|depth| level <= depth))
                    .cloned(),
            );
            if exact == Exact::Yes || at == "/" || !at.starts_with('/') {
                break;
            }
            at = parent(at);
            level += 1;
        }
        found.sort_unstable_by_key(|watch| watch.number);
        found
    }

    /// What each watch is charged for, with the connection that is.
    pub(crate) fn charged(&self) -> impl Iterator<Item = (ConnId, i64)> {
        self.by_path.iter().flat_map(|(path, watches)| {
            watches.iter().map(move |watch| (watch.conn, memory(path, &watch.token)))
        })
    }

    pub(crate) fn count(&self, conn: ConnId) -> usize {
        self.by_conn.get(&conn).map_or(0, Vec::len)
    }

    fn find(&self, path: &str, conn: ConnId, token: &[u8]) -> Option<u64> {
        let watches = self.by_path.get(path)?;
        let same = |watch: &&Watch| watch.conn == conn && *watch.token == *token;
        watches.iter().find(same).map(|watch| watch.number)
    }

    fn drop_watch(&mut self, path: &str, number: u64) -> i64 {
        let Some(watches) = self.by_path.get_mut(path) else { return 0 };
        let Ok(place) = watches.binary_search_by_key(&number, |watch| watch.number) else {
            return 0;
        };
        let watch = watches.remove(place);
        if watches.is_empty() {
            self.by_path.remove(path);
        }
        memory(path, &watch.token)
    }
}

/// What a watch is charged for, in bytes.
pub(crate) fn memory(path: &str, token: &[u8]) -> i64 {
    i64::try_from(path.len() + token.len()).unwrap_or(i64::MAX)
}

impl Watch {
    /// A watch as its first event needs it.
    pub(crate) fn first(conn: ConnId, token: &[u8]) -> Self {
        Self { conn, token: token.into(), strip: 0, depth: None, number: 0 }
    }
}
