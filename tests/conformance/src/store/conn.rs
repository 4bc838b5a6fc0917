//! The clients behind one face, so that a fact is written once.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::path::Path as FilePath;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;
use xen_types::{DomId, Gfn, Port};
use xs::ask::Ask;
use xs::tokio::{Store as _, View as _};
use xs::{Condition, Deadline, Event, Met, Name, Path, Perms, Result, Store as _, View as _};

use super::ring::Ring;

/// By what a fact speaks to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// `xs::Client`.
    Blocking,
    /// `xs::tokio::Client`.
    Tokio,
    /// None of ours: the fact writes and reads packets.
    ByHand,
}

impl Front {
    pub(super) const CLIENTS: &[Self] = &[Self::Blocking, Self::Tokio];
}

impl fmt::Display for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Blocking => "blocking",
            Self::Tokio => "tokio",
            Self::ByHand => "by-hand",
        })
    }
}

/// A connection by some front-end.
#[derive(Clone, Debug)]
pub(super) enum Conn {
    Blocking(xs::Client),
    Tokio(xs::tokio::Client),
}

/// A transaction under way.
#[derive(Debug)]
pub(super) enum Tx<'a> {
    Blocking(&'a xs::Transaction<'a>),
    Tokio(&'a xs::tokio::Transaction<'a>),
}

/// What a function that runs again reads through.
#[derive(Debug)]
pub(super) enum Look<'a> {
    Blocking(&'a xs::Look<'a>),
    Tokio(&'a xs::tokio::Look<'a>),
}

/// A watch.
#[derive(Debug)]
pub(super) enum Watch {
    Blocking(xs::Watch),
    Tokio(xs::tokio::Watch),
}

/// Gives each face the verbs of what is behind it.
macro_rules! verbs {
    ($($name:ident($($argument:ident: $kind:ty),*) -> $value:ty;)*) => {$(
        pub(super) fn $name(&self, $($argument: $kind),*) -> Result<$value> {
            match self {
                Self::Blocking(inner) => inner.$name($($argument),*),
                Self::Tokio(inner) => wait_for(inner.$name($($argument),*)),
            }
        }
    )*};
}

impl Tx<'_> {
    verbs! {
        read(path: &Path) -> Vec<u8>;
        read_str(path: &Path) -> String;
        read_opt(path: &Path) -> Option<Vec<u8>>;
        read_each(paths: &[Path]) -> Vec<Option<Vec<u8>>>;
        directory(path: &Path) -> Vec<Name>;
        subtree(path: &Path) -> BTreeMap<Path, Vec<u8>>;
        write(path: &Path, value: impl AsRef<[u8]> + Send + Sync) -> ();
        mkdir(path: &Path) -> ();
        rm(path: &Path) -> ();
    }

    pub(super) fn batch<'q, T: Send + 'q>(&self, asks: Vec<Ask<'q, T>>) -> Vec<Result<T>> {
        match self {
            Self::Blocking(inner) => inner.batch(asks),
            Self::Tokio(inner) => wait_for(inner.batch(asks)),
        }
    }
}

impl Look<'_> {
    verbs! {
        read_str(path: &Path) -> String;
        read_opt(path: &Path) -> Option<Vec<u8>>;
        directory(path: &Path) -> Vec<Name>;
    }
}

impl Conn {
    verbs! {
        read(path: &Path) -> Vec<u8>;
        read_str(path: &Path) -> String;
        read_opt(path: &Path) -> Option<Vec<u8>>;
        read_each(paths: &[Path]) -> Vec<Option<Vec<u8>>>;
        directory(path: &Path) -> Vec<Name>;
        subtree(path: &Path) -> BTreeMap<Path, Vec<u8>>;
        perms(path: &Path) -> Perms;
        write(path: &Path, value: impl AsRef<[u8]> + Send + Sync) -> ();
        mkdir(path: &Path) -> ();
        rm(path: &Path) -> ();
        rm_if_exists(path: &Path) -> ();
        set_perms(path: &Path, perms: &Perms) -> ();
        introduce(dom: DomId, gfn: Gfn, port: Port) -> ();
        release(dom: DomId) -> ();
        resume(dom: DomId) -> ();
        set_target(dom: DomId, target: DomId) -> ();
        domain_path(dom: DomId) -> Path;
        is_introduced(dom: DomId) -> bool;
        control(command: &[&str]) -> String;
        reset_watches() -> ();
        features() -> xs::Features;
        quotas() -> Vec<String>;
        wait(condition: &Condition, deadline: Deadline) -> Met;
    }

    pub(super) fn batch<'q, T: Send + 'q>(&self, asks: Vec<Ask<'q, T>>) -> Vec<Result<T>> {
        match self {
            Self::Blocking(inner) => inner.batch(asks),
            Self::Tokio(inner) => wait_for(inner.batch(asks)),
        }
    }

    /// Connects to a daemon's socket.
    pub(super) fn connect(front: Front, socket: &FilePath) -> Result<Self> {
        match front {
            Front::Blocking | Front::ByHand => xs::Client::connect(socket).map(Self::Blocking),
            Front::Tokio => wait_for(xs::tokio::Client::connect(socket)).map(Self::Tokio),
        }
    }

    /// Speaks over a guest's ring.
    pub(super) fn over(front: Front, ring: Ring) -> Result<Self> {
        let Ring { page, bell } = ring;
        match front {
            Front::Blocking | Front::ByHand => {
                xs::Client::over_ring(page, bell).map(Self::Blocking)
            }
            Front::Tokio => {
                wait_for(async { xs::tokio::Client::over_ring(page, bell) }).map(Self::Tokio)
            }
        }
    }

    pub(super) fn with_deadline(&self, deadline: Deadline) -> Self {
        match self {
            Self::Blocking(client) => Self::Blocking(client.with_deadline(deadline)),
            Self::Tokio(client) => Self::Tokio(client.with_deadline(deadline)),
        }
    }

    pub(super) fn with_request_timeout(&self, timeout: Duration) -> Self {
        match self {
            Self::Blocking(client) => Self::Blocking(client.with_request_timeout(timeout)),
            Self::Tokio(client) => Self::Tokio(client.with_request_timeout(timeout)),
        }
    }

    pub(super) fn transaction<T: Send>(
        &self,
        mut body: impl FnMut(&Tx<'_>) -> Result<T> + Send,
    ) -> Result<T> {
        match self {
            Self::Blocking(client) => client.transaction(|tx| body(&Tx::Blocking(tx))),
            Self::Tokio(client) => {
                let body = Mutex::new(body);
                wait_for(client.transaction(async |tx| in_task(&body, &Tx::Tokio(tx))))
            }
        }
    }

    pub(super) fn until<T: Send>(
        &self,
        what: &str,
        deadline: Deadline,
        mut look: impl FnMut(&Look<'_>) -> Result<Option<T>> + Send,
    ) -> Result<T> {
        match self {
            Self::Blocking(client) => {
                client.until(what, deadline, |view| look(&Look::Blocking(view)))
            }
            Self::Tokio(client) => {
                let look = Mutex::new(look);
                let look = async |view: &xs::tokio::Look<'_>| in_task(&look, &Look::Tokio(view));
                wait_for(client.until(what, deadline, look))
            }
        }
    }

    /// Watches, and leaves the first event, which is no change, to the caller.
    pub(super) fn watch(&self, path: &Path) -> Result<Watch> {
        match self {
            Self::Blocking(client) => client.watch(path).map(Watch::Blocking),
            Self::Tokio(client) => wait_for(client.watch(path)).map(Watch::Tokio),
        }
    }

    /// Watches, and takes the first event, which is no change.
    pub(super) fn watch_on(&self, path: &Path) -> Watch {
        let mut watch = self.watch(path).unwrap();
        assert_eq!(watch.next(), path.as_str());
        watch
    }

    /// Has all events here that were sent before now, oxenstored's own ones included, which follow
    /// the reply.
    pub(super) fn catch_up(&self) {
        self.domain_path(DomId::DOM0).unwrap();
    }
}

impl Watch {
    pub(super) fn wait(&mut self, deadline: Deadline) -> Result<Event> {
        match self {
            Self::Blocking(watch) => watch.wait(deadline),
            Self::Tokio(watch) => wait_for(watch.wait(deadline)),
        }
    }

    pub(super) fn try_next(&mut self) -> Result<Option<Event>> {
        match self {
            Self::Blocking(watch) => watch.try_next(),
            Self::Tokio(watch) => watch.try_next(),
        }
    }

    /// The path of the next event.
    pub(super) fn next(&mut self) -> String {
        self.wait(soon()).unwrap().path().to_string()
    }

    /// Checks that nothing is there, once `conn`, whose watch it is, has everything.
    pub(super) fn nothing(&mut self, conn: &Conn) {
        conn.catch_up();
        assert_eq!(self.try_next().unwrap(), None);
    }
}

/// Longer than anything takes on a busy machine.
pub(super) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// For what must not happen, or cannot.
pub(super) fn briefly() -> Deadline {
    Deadline::after(Duration::from_millis(150))
}

/// Facts are threads; what they ask of the tokio client is done by this.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

fn wait_for<F: Future>(future: F) -> F::Output {
    RUNTIME.block_on(future)
}

/// Runs what a fact wants to have done inside of a task. It waits there for other tasks.
fn in_task<V, T>(function: &Mutex<impl FnMut(&V) -> Result<T>>, view: &V) -> Result<T> {
    tokio::task::block_in_place(|| {
        let mut function = function.lock().unwrap_or_else(PoisonError::into_inner);
        (*function)(view)
    })
}
