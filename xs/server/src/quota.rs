//! How much an unprivileged domain may use.

/// The limits of a domain; 0 is no limit. The defaults are those of the C xenstored of Xen 4.17.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quotas {
    /// How many nodes it may own.
    pub nodes: usize,
    /// How many watches it may have.
    pub watches: usize,
    /// How many transactions it may have at a time.
    pub transactions: usize,
    /// How large a node may be, in bytes: value, names of children and permissions.
    pub node_size: usize,
    /// How many permission entries a node may have.
    pub permissions: usize,
    /// How many nodes a transaction may touch.
    pub transaction_nodes: usize,
    /// How long a path may be, in bytes; below a domain's home what follows the home counts.
    pub path_max: usize,
    /// How much memory nodes, watches and unread replies may take, in bytes. Over it the domain is
    /// not listened to until it is below again.
    pub memory: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            nodes: 1000,
            watches: 128,
            transactions: 10,
            node_size: 2048,
            permissions: 5,
            transaction_nodes: 1024,
            path_max: 2048,
            memory: 2_621_440,
        }
    }
}

/// Reads and sets a quota by the name that `GET_QUOTA`, `SET_QUOTA` and `xenstored --quota` use.
impl Quotas {
    /// The names, in the order of `xenstore-control quota`.
    pub const NAMES: [&'static str; 8] = [
        "nodes",
        "watches",
        "transactions",
        "node-size",
        "permissions",
        "transaction-nodes",
        "path-max",
        "memory",
    ];

    /// The quota of this name.
    pub fn by_name(&self, name: &str) -> Option<usize> {
        let mut all = *self;
        all.place(name).copied()
    }

    /// Sets the quota of this name; `false` if there is none.
    pub fn set(&mut self, name: &str, value: usize) -> bool {
        self.place(name).map(|place| *place = value).is_some()
    }

    fn place(&mut self, name: &str) -> Option<&mut usize> {
        Some(match name {
            "nodes" => &mut self.nodes,
            "watches" => &mut self.watches,
            "transactions" => &mut self.transactions,
            "node-size" => &mut self.node_size,
            "permissions" => &mut self.permissions,
            "transaction-nodes" => &mut self.transaction_nodes,
            "path-max" => &mut self.path_max,
            "memory" => &mut self.memory,
            _ => return None,
        })
    }
}
