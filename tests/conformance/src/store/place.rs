//! Where a store runs: here, with a machine of its own, or in a real dom0.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::{env, fs};

use store_daemons::{DomId, Kind};

use super::host::{self, Host, Store};

/// A store and what is around it.
#[derive(Debug)]
pub(super) enum Place {
    /// One that we started, whose domains are ours too.
    Standalone { store: Store, host: RwLock<Box<dyn Host>>, last_id: AtomicU16 },
    /// The one of the dom0 that this runs in.
    Dom0 { store: Store, last_id: AtomicU16 },
}

impl Place {
    pub(super) fn start(store: Store) -> Self {
        Self::Standalone {
            store,
            host: RwLock::new(host::start(store)),
            last_id: AtomicU16::new(0),
        }
    }

    /// The dom0 that this runs in.
    pub(super) fn here() -> Self {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let names = processes.flat_map(|process| fs::read_to_string(process.path().join("comm")));
        let kind = names.into_iter().find_map(|name| {
            Kind::ALL.into_iter().find(|kind| name.trim_end() == kind.to_string())
        });
        let kind = kind.expect("no store daemon runs here");
        // Far above those of a lab's domains.
        Self::Dom0 { store: kind.into(), last_id: AtomicU16::new(31_000) }
    }

    pub(super) fn store(&self) -> Store {
        let (Self::Standalone { store, .. } | Self::Dom0 { store, .. }) = self;
        *store
    }

    /// The release of Xen that the store is of.
    pub(super) fn xen(&self) -> (u32, u32) {
        let read = |number| {
            let text = fs::read_to_string(format!("/sys/hypervisor/version/{number}")).unwrap();
            text.trim_end().parse().unwrap()
        };
        match self {
            // That of the packages that `store_daemons` is made for, which `xs_server` is like.
            Self::Standalone { .. } => (4, 17),
            Self::Dom0 { .. } => (read("major"), read("minor")),
        }
    }

    /// The store, if we started it.
    pub(super) fn daemon(&self) -> RwLockReadGuard<'_, Box<dyn Host>> {
        self.lock().read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the daemon anew on the same socket.
    pub(super) fn restart(&self) {
        self.lock().write().unwrap_or_else(PoisonError::into_inner).restart().unwrap();
    }

    /// Kills the daemon; returns when it is gone.
    pub(super) fn kill(&self) {
        self.lock().write().unwrap_or_else(PoisonError::into_inner).kill().unwrap();
    }

    fn lock(&self) -> &RwLock<Box<dyn Host>> {
        match self {
            Self::Standalone { host, .. } => host,
            Self::Dom0 { .. } => panic!("only a daemon of our own is stopped, or has our domains"),
        }
    }

    pub(super) fn is_standalone(&self) -> bool {
        matches!(self, Self::Standalone { .. })
    }

    pub(super) fn socket(&self) -> PathBuf {
        match self {
            Self::Standalone { .. } => self.daemon().socket().into(),
            Self::Dom0 { .. } => {
                env::var_os("XENSTORED_PATH").map_or(USUAL_SOCKET.into(), Into::into)
            }
        }
    }

    /// The id of a domain that never was.
    pub(super) fn new_id(&self) -> DomId {
        let (Self::Standalone { last_id, .. } | Self::Dom0 { last_id, .. }) = self;
        DomId::new(last_id.fetch_add(1, Ordering::Relaxed) + 1).unwrap()
    }
}

/// Whether there are daemons to start here (`cargo xtask daemons`).
pub(super) fn has_daemons() -> bool {
    env::var_os("STORE_DAEMONS").is_some_and(|folder| Path::new(&folder).exists())
}

const USUAL_SOCKET: &str = "/var/run/xenstored/socket";
