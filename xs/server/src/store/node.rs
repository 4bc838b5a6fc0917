//! A node: its value, who may do what with it, and what is below it.

use std::sync::Arc;

use super::Children;

/// A node of the store. A copy shares all that is large.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Arc<[u8]>,
    pub(crate) perms: Perms,
    pub(crate) children: Children,
    /// Which change of the store was the last to this node.
    pub(crate) generation: u64,
    /// Its place among the children of its parent.
    pub(crate) number: u64,
}

/// Who may do what: the owner first, then a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Perms(Arc<[Perm]>);

/// What one domain may do; of the first entry, the owner, it is what all may do who are not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Perm {
    /// As the request had it: it need not be a domain that can exist.
    pub(crate) domid: u32,
    pub(crate) rights: Rights,
    /// The domain was not there when the entry was made, or is another one by now.
    pub(crate) stale: bool,
}

/// Any of reading and writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Node {
    /// A node without a value.
    pub(crate) fn new(perms: Perms) -> Self {
        Self {
            value: Arc::default(),
            perms,
            children: Children::default(),
            generation: 0,
            number: 0,
        }
    }

    /// What it is charged for at this path, in bytes.
    pub(crate) fn memory(&self, path: &str) -> i64 {
        i64::try_from(self.size() + path.len()).unwrap_or(i64::MAX)
    }

    /// What it counts against the quota of a node's size: as the C xenstored keeps it, a header of
    /// 24 bytes, 8 for each permission, the value and the names of the children.
    pub(crate) fn size(&self) -> usize {
        24 + 8 * self.perms.0.len() + self.value.len() + self.children.bytes()
    }
}

impl Perms {
    /// Only the owner, and the privileged, may do anything.
    pub(crate) fn private(owner: u32) -> Self {
        Self(Arc::new([Perm { domid: owner, rights: Rights::NONE, stale: false }]))
    }

    /// These entries, of which there is at least one.
    pub(crate) fn new(entries: Vec<Perm>) -> Option<Self> {
        (!entries.is_empty()).then(|| Self(entries.into()))
    }

    pub(crate) fn entries(&self) -> &[Perm] {
        &self.0
    }

    pub(crate) fn owner(&self) -> u32 {
        self.0[0].domid
    }

    /// The same with another owner.
    pub(crate) fn owned_by(&self, owner: u32) -> Self {
        if self.owner() == owner {
            return self.clone();
        }
        let mut entries = self.0.to_vec();
        entries[0].domid = owner;
        Self(entries.into())
    }

    /// The same for a time when this domain is no more: what it owned is domain 0's.
    pub(crate) fn without(&self, domid: u32) -> Self {
        let owner = if self.owner() == domid { 0 } else { self.owner() };
        let listed = self.0[1..].iter().filter(|perm| perm.domid != domid);
        let first = Perm { domid: owner, ..self.0[0] };
        Self(std::iter::once(&first).chain(listed).copied().collect())
    }

    /// The same, with all entries but the owner's marked that are stale by now.
    pub(crate) fn refreshed(&self, is_stale: impl Fn(u32) -> bool) -> Self {
        let stale = |perm: &Perm| perm.stale || is_stale(perm.domid);
        if self.0[1..].iter().all(|perm| perm.stale == stale(perm)) {
            return self.clone();
        }
        let mut entries = self.0.to_vec();
        entries[1..].iter_mut().for_each(|perm| perm.stale = stale(perm));
        Self(entries.into())
    }
}

impl Rights {
    pub(crate) const NONE: Self = Self { read: false, write: false };
    pub(crate) const READ: Self = Self { read: true, write: false };
    pub(crate) const WRITE: Self = Self { read: false, write: true };
    pub(crate) const BOTH: Self = Self { read: true, write: true };

    pub(crate) const fn contains(self, wanted: Self) -> bool {
        (self.read || !wanted.read) && (self.write || !wanted.write)
    }

    pub(crate) const fn letter(self) -> char {
        match (self.read, self.write) {
            (false, false) => 'n',
            (true, false) => 'r',
            (false, true) => 'w',
            (true, true) => 'b',
        }
    }
}
