//! The blocking client: one connection, any number of threads, no thread of its own.
//!
//! ```text
//!   Client, Transaction ── Store verbs ─▶ Connection (who reads, who waits) ─▶ Socket (bytes)
//!   Watch, wait ─────────────────────────▶        │
//!                                            proto::Mux (ids, replies, events)
//! ```

mod connection;
mod domains;
mod look;
mod sleeper;
mod store;
mod transaction;
mod until;
mod wait;
mod watch;

use std::os::unix::net::UnixStream;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use xen_types::{Clock, Deadline};

pub use look::Look;
pub use store::{Store, View};
pub use transaction::Transaction;
pub use watch::Watch;

use crate::ask::Outcome;
use crate::error::{Cause, Error, Result, Subject};
use crate::proto::{Request, TxId};
use crate::ring::{Bell, Page};
use crate::transport::{Ring, Socket, Transport, Xenbus};
use connection::Connection;
use store::sealed::{Answered, Put};
use until::Until;

/// A connection to xenstored, shared by its clones.
///
/// The verbs are those of [`Store`]. No request takes longer than the request timeout, 30 s unless
/// changed by [`Client::with_request_timeout`]; an operation of many requests is bounded as a whole
/// by [`Client::with_deadline`]. A request that timed out may still be carried out by the daemon
/// later, as may one whose connection broke. The connection of a timed-out request stays usable; it
/// is ended only when thousands of them never had an answer.
///
/// A child process must not use its parent's connection after `fork`: both would read the
/// same replies.
#[derive(Debug, Clone)]
pub struct Client {
    connection: Arc<Connection>,
    request_timeout: Duration,
    deadline: Option<Deadline>,
    clock: Clock,
}

impl Client {
    /// Connects to the daemon of this host, within the usual request timeout of 30 s.
    ///
    /// The socket is the one named by `XENSTORED_PATH`, else `socket` in the directory named by
    /// `XENSTORED_RUNDIR`, else `/var/run/xenstored/socket` or `/run/xenstored/socket`. It never
    /// turns to `/dev/xen/xenbus`: where the store is local, that device hangs without a daemon.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if no daemon listens there,
    /// [`Kind::Denied`](crate::Kind::Denied) if the socket is another user's,
    /// [`Kind::TimedOut`](crate::Kind::TimedOut) if the daemon has stopped accepting.
    #[doc(alias = "xs_open")]
    #[doc(alias = "xs_daemon_open")]
    pub fn open() -> Result<Self> {
        Self::connect(daemon_socket())
    }

    /// Connects as [`Client::open`] does, trying until `deadline`; one that has passed allows one
    /// try. The deadline is that of the connecting alone: see [`Client::with_deadline`].
    ///
    /// # Errors
    /// As for [`Client::open`].
    pub fn open_by(deadline: Deadline) -> Result<Self> {
        Self::connect_by(daemon_socket(), deadline)
    }

    /// Connects to the daemon that listens on this socket.
    ///
    /// # Errors
    /// As for [`Client::open`].
    pub fn connect(socket: impl AsRef<FilePath>) -> Result<Self> {
        Self::connect_by(socket, Deadline::after(REQUEST_TIMEOUT))
    }

    /// Connects to the daemon that listens on this socket, trying until `deadline` as
    /// [`Client::open_by`] does.
    ///
    /// # Errors
    /// As for [`Client::open`].
    pub fn connect_by(socket: impl AsRef<FilePath>, deadline: Deadline) -> Result<Self> {
        let path = socket.as_ref();
        Socket::connect(path, deadline).map(Self::over).map_err(|cause| {
            Error::new(
                "connect to xenstored at",
                Subject::Socket(path.into()),
                Cause::Connect(cause),
            )
        })
    }

    /// Speaks over a stream that is connected already. It is made blocking, and so are its clones.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the stream cannot be made blocking.
    pub fn from_stream(stream: UnixStream) -> Result<Self> {
        stream.set_nonblocking(false).map_err(|cause| {
            let subject = Subject::Text("a connected stream".into());
            Error::new("speak to xenstored over", subject, Cause::Connect(cause))
        })?;
        Ok(Self::over(Socket::new(stream.into())))
    }

    /// Speaks over the kernel's own connection to the store: `/dev/xen/xenbus`, else
    /// `/proc/xen/xenbus`. This is the way for a guest's programs.
    ///
    /// Through the device some things are otherwise than over a socket:
    /// - Where the store is local (in dom0, as a rule), and its daemon dead, nothing ever fails:
    ///   every request waits for its deadline. [`Client::open`] says at once that there is no daemon,
    ///   and therefore never comes here by itself.
    /// - Beginning or ending a watch, also by dropping its guard, blocks in the kernel until the
    ///   store has answered, beyond any deadline, and keeps this client's other threads from
    ///   sending.
    /// - One request is under way at a time: threads take turns, and flights gain nothing.
    /// - A request is 4080 bytes long at most, path included, not 4096. A longer one is refused with
    ///   [`Kind::Invalid`](crate::Kind::Invalid).
    /// - The depth of a watch does not reach the store: all levels below its node count.
    /// - [`Client::reset_watches`] is refused with [`Kind::Denied`](crate::Kind::Denied): the
    ///   watches of the kernel would end too.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if there is no such device, as outside of
    /// Xen, or it has no store yet; [`Kind::Denied`](crate::Kind::Denied) if it is another user's.
    pub fn open_device() -> Result<Self> {
        open_xenbus().map(Self::over)
    }

    /// Speaks over a ring, as a guest's kernel does.
    ///
    /// The ring must be at the boundary of a packet in both directions: fresh, or after
    /// [`ring::reconnect`](crate::ring::reconnect). It must not be asking for a reconnection.
    /// A store that is gone is not noticed: requests wait for their deadlines. A store that breaks
    /// the rules of the ring, or says that it has given up on it, ends the connection.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the bell cannot be waited for.
    pub fn over_ring(page: impl Page + 'static, bell: impl Bell + 'static) -> Result<Self> {
        Ring::new(page, bell).map(Self::over).map_err(|cause| {
            let subject = Subject::Text("a ring".into());
            Error::new("speak to the store over", subject, Cause::Connect(cause))
        })
    }

    pub(crate) fn over(transport: impl Transport + 'static) -> Self {
        Self {
            connection: Arc::new(Connection::new(transport)),
            request_timeout: REQUEST_TIMEOUT,
            deadline: None,
            clock: Clock::real(),
        }
    }

    /// The same connection, with `timeout` for each request.
    #[must_use]
    pub fn with_request_timeout(&self, timeout: Duration) -> Self {
        Self { request_timeout: timeout, ..self.clone() }
    }

    /// The same connection, for one operation: none of its requests and waits outlasts `deadline`,
    /// or the earlier one that this client has already.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { deadline: Some(self.cut(deadline)), ..self.clone() }
    }

    /// The same connection, by another clock: all its requests and waits, and the deadlines they are
    /// given, are on that one. For simulated machines; the kernel's or a daemon's own time is real.
    #[must_use]
    pub fn with_clock(&self, clock: Clock) -> Self {
        Self { clock, ..self.clone() }
    }

    /// The clock that the deadlines of this client are on.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The deadline of this client or this one, whichever is earlier.
    fn cut(&self, deadline: Deadline) -> Deadline {
        self.deadline.map_or(deadline, |own| own.min(deadline))
    }

    /// When a request that starts now gives up.
    fn request_deadline(&self) -> std::result::Result<Until<'_>, Cause> {
        // Once: where the kernel's clock has no vDSO, each look at it is a system call.
        let now = self.clock.now();
        match self.deadline {
            Some(own) if own.passed(now) => Err(Cause::NotSent),
            _ => Ok(self.within(Deadline::counted_from(now, self.request_timeout))),
        }
    }

    /// The deadline of this client or this one, whichever is earlier, on its clock.
    fn within(&self, deadline: Deadline) -> Until<'_> {
        Until { deadline: self.cut(deadline), clock: &self.clock }
    }
}

impl Client {
    fn call(&self, request: &Request<'_>, tx: TxId) -> Outcome {
        self.connection.call(request, tx, self.request_deadline()?)
    }

    fn flight(&self, requests: &[Request<'_>], tx: TxId) -> Vec<Answered> {
        match self.request_deadline() {
            Ok(deadline) => {
                let outcomes = self.connection.flight(requests, tx, deadline);
                outcomes.into_iter().map(Answered).collect()
            }
            Err(_) => requests.iter().map(|_| Cause::NotSent.into()).collect(),
        }
    }
}

impl Put for Client {
    fn call(&self, request: &Request<'_>) -> Answered {
        Answered(self.call(request, TxId::NONE))
    }

    fn flight(&self, requests: &[Request<'_>]) -> Vec<Answered> {
        self.flight(requests, TxId::NONE)
    }
}

/// The kernel's device, wherever it is.
pub(crate) fn open_xenbus() -> Result<Xenbus> {
    let paths = [XENBUS, XENBUS_OF_XENFS].map(FilePath::new);
    Xenbus::open(&paths).map_err(|cause| {
        let subject = Subject::Socket(XENBUS.into());
        Error::new("connect to the store at", subject, Cause::Connect(cause))
    })
}

/// Where the daemon of this host listens.
pub(crate) fn daemon_socket() -> PathBuf {
    if let Some(path) = std::env::var_os("XENSTORED_PATH") {
        return path.into();
    }
    if let Some(dir) = std::env::var_os("XENSTORED_RUNDIR") {
        return PathBuf::from(dir).join("socket");
    }
    match FilePath::new(USUAL_SOCKET).exists() {
        true => USUAL_SOCKET.into(),
        false => OTHER_SOCKET.into(),
    }
}

const USUAL_SOCKET: &str = "/var/run/xenstored/socket";
const OTHER_SOCKET: &str = "/run/xenstored/socket";

const XENBUS: &str = "/dev/xen/xenbus";
/// Where kernels before 3.4 have it, and others for their sake.
const XENBUS_OF_XENFS: &str = "/proc/xen/xenbus";

/// Far beyond what a live daemon needs (under a millisecond when idle), short enough for a person.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
