//! The domains that the store knows of: those introduced, and those that own something.

use std::collections::BTreeMap;

use crate::core::ConnId;
use crate::quota::Quotas;
use crate::store::Node;
use xs::proto::Features;

#[derive(Debug)]
pub(crate) struct Domains {
    all: BTreeMap<u32, Domain>,
    /// How many there have been.
    count: u64,
}

/// What is kept of a domain.
#[derive(Debug)]
pub(crate) struct Domain {
    /// Its connection, once it is introduced.
    pub(crate) conn: Option<ConnId>,
    /// Rises from domain to domain, in the order in which they became known.
    number: u64,
    /// What the store's generation was when it became known: permissions of before are not its own.
    pub(crate) since: u64,
    /// Its shutdown has been told.
    pub(crate) shutdown: bool,
    /// How many nodes it owns.
    pub(crate) nodes: i64,
    /// What its nodes and watches take, in bytes.
    pub(crate) memory: i64,
    /// Its own limits, where they are not those of all.
    pub(crate) quotas: Option<Quotas>,
    pub(crate) features: Features,
}

impl Domains {
    /// Domain 0 alone.
    pub(crate) fn new() -> Self {
        Self { all: BTreeMap::from([(0, Domain::new(0, 0))]), count: 1 }
    }

    pub(crate) fn get(&self, domid: u32) -> Option<&Domain> {
        self.all.get(&domid)
    }

    pub(crate) fn get_mut(&mut self, domid: u32) -> Option<&mut Domain> {
        self.all.get_mut(&domid)
    }

    pub(crate) fn add(&mut self, domid: u32, since: u64) -> &mut Domain {
        self.all.entry(domid).or_insert_with(|| {
            self.count += 1;
            Domain::new(self.count, since)
        })
    }

    pub(crate) fn remove(&mut self, domid: u32) -> Option<Domain> {
        self.all.remove(&domid)
    }

    /// All of them, the latest first.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<_> = self.all.iter().map(|(id, domain)| (domain.number, *id)).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.into_iter().map(|(_, id)| id).collect()
    }

    /// Adds to what a domain takes; less than nothing gives back.
    pub(crate) fn charge(&mut self, domid: u32, memory: i64) {
        if let Some(domain) = self.all.get_mut(&domid) {
            domain.memory += memory;
        }
    }

    /// Whether an entry of a permission, made at this generation, is not for who has the id now.
    pub(crate) fn is_stale(&self, domid: u32, generation: u64) -> bool {
        self.all.get(&domid).is_none_or(|domain| domain.since > generation)
    }

    /// The node with those entries of its permissions marked that are stale by now.
    pub(crate) fn as_of_now(&self, node: Node) -> Node {
        let perms = node.perms.refreshed(|domid| self.is_stale(domid, node.generation));
        Node { perms, ..node }
    }
}

impl Domain {
    fn new(number: u64, since: u64) -> Self {
        Self {
            conn: None,
            number,
            since,
            shutdown: false,
            nodes: 0,
            memory: 0,
            quotas: None,
            features: crate::core::FEATURES,
        }
    }
}
