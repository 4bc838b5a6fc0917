//! The client for tokio: the verbs of the blocking one, as futures that may be dropped at any time.
//!
//! ```no_run
//! # async fn example() -> xs::Result<()> {
//! use std::time::Duration;
//! use xs::tokio::{Client, Store as _};
//! use xs::{Deadline, Path, appears};
//!
//! let client = Client::open().await?.with_deadline(Deadline::after(Duration::from_secs(20)));
//! let tool = Path::from_static("/tool/example");
//! client.transaction(async |tx| tx.write(&tool.join("ready"), "").await).await?;
//! client.wait(&appears(tool.join("answer")), Deadline::after(Duration::from_secs(5))).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A future that is dropped leaves nothing behind: its answer is recognised and thrown away when it
//! comes, a watch that it began is ended, and a transaction is discarded. What it asked for may have
//! been carried out, as after [`Kind::TimedOut`](crate::Kind::TimedOut). One that is polled once and
//! then left alone keeps nobody else waiting.
//!
//! ```text
//!   Client, Transaction, Look ── verbs ─▶ Connection ── send ──▶ Transport
//!   Watch, wait, until ─────────────────▶     │                      │
//!                                        Hub<Waiter> ◀── receive ── Driver, a task
//! ```

mod body;
mod connection;
mod domains;
mod driver;
mod look;
mod pending;
mod store;
mod transaction;
mod wait;
mod watch;

use std::os::unix::net::UnixStream;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::time::Duration;

use xen_types::Deadline;

pub use body::Body;
pub use look::Look;
pub use store::{Store, View};
pub use transaction::Transaction;
pub use watch::Watch;

use crate::ask::Outcome;
use crate::client::{REQUEST_TIMEOUT, daemon_socket, open_xenbus};
use crate::error::{Cause, Error, Lost, Result, Subject};
use crate::proto::{Request, TxId};
use crate::ring::{Bell, Page};
use crate::transport::{Ring, Socket, Transport};
use connection::Connection;
use driver::Driver;
use pending::{Pending, now};
use store::sealed::Put;

/// A connection to xenstored, shared by its clones.
///
/// The verbs are those of [`Store`]. Request timeout and deadline are as for the blocking
/// [`Client`](crate::Client), but on the clock of tokio.
///
/// A connection is made inside a tokio runtime with I/O and time, and a task there serves it, until
/// the last client and watch are gone. If the runtime ends before that, everything that waits fails
/// with [`Kind::Unavailable`](crate::Kind::Unavailable). The futures may be awaited in any runtime.
#[derive(Debug, Clone)]
pub struct Client {
    link: Arc<Link>,
    request_timeout: Duration,
    deadline: Option<Deadline>,
}

/// What ends the connection when the last of its users is gone.
#[derive(Debug)]
struct Link(Arc<Connection>);

impl Client {
    /// Connects to the daemon of this host, within the usual request timeout of 30 s. Which socket
    /// that is, is said of [`Client::open`](crate::Client::open).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time.
    #[doc(alias = "xs_open")]
    #[doc(alias = "xs_daemon_open")]
    pub async fn open() -> Result<Self> {
        Self::connect(daemon_socket()).await
    }

    /// Connects as [`Client::open`] does, trying until `deadline`; one that has passed allows one
    /// try. The deadline is that of the connecting alone: see [`Client::with_deadline`].
    ///
    /// # Errors
    /// As for [`Client::open`].
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub async fn open_by(deadline: Deadline) -> Result<Self> {
        Self::connect_by(daemon_socket(), deadline).await
    }

    /// Connects to the daemon that listens on this socket.
    ///
    /// # Errors
    /// As for [`Client::open`].
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub async fn connect(socket: impl AsRef<FilePath>) -> Result<Self> {
        Self::connect_by(socket, Deadline::counted_from(now(), REQUEST_TIMEOUT)).await
    }

    /// Connects to the daemon that listens on this socket, trying until `deadline` as
    /// [`Client::open_by`] does.
    ///
    /// # Errors
    /// As for [`Client::open`].
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub async fn connect_by(socket: impl AsRef<FilePath>, deadline: Deadline) -> Result<Self> {
        let path = socket.as_ref();
        let failed = |cause| {
            let subject = Subject::Socket(path.into());
            Error::new("connect to xenstored at", subject, Cause::Connect(cause))
        };
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(socket) = Socket::try_connect(path).map_err(failed)? {
                return Self::over(socket).map_err(failed);
            }
            // The daemon's queue of callers is full, and nothing tells when it has room.
            let remaining = deadline.remaining(now());
            if remaining.is_zero() {
                return Err(failed(std::io::ErrorKind::TimedOut.into()));
            }
            tokio::time::sleep(pause.min(remaining)).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Speaks over a stream that is connected already.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the runtime cannot take the stream.
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub fn from_stream(stream: UnixStream) -> Result<Self> {
        Self::over(Socket::new(stream.into()))
            .map_err(|cause| not_over("a connected stream", cause))
    }

    /// Speaks over the kernel's own connection to the store; what is otherwise then is said of
    /// [`Client::open_device`](crate::Client::open_device). What blocks in the kernel there,
    /// beginning and ending watches, blocks a thread of the runtime here.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub fn open_device() -> Result<Self> {
        Self::over(open_xenbus()?).map_err(|cause| not_over("the device", cause))
    }

    /// Speaks over a ring; see [`Client::over_ring`](crate::Client::over_ring).
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// As for [`Client::open`].
    pub fn over_ring(page: impl Page + 'static, bell: impl Bell + 'static) -> Result<Self> {
        Ring::new(page, bell).and_then(Self::over).map_err(|cause| not_over("a ring", cause))
    }

    /// Must be called in a runtime.
    fn over(transport: impl Transport + 'static) -> std::io::Result<Self> {
        let connection = Arc::new(Connection::new(transport));
        tokio::spawn(Driver::new(Arc::clone(&connection))?);
        let link = Arc::new(Link(connection));
        Ok(Self { link, request_timeout: REQUEST_TIMEOUT, deadline: None })
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

    /// The deadline of this client or this one, whichever is earlier.
    fn cut(&self, deadline: Deadline) -> Deadline {
        self.deadline.map_or(deadline, |own| own.min(deadline))
    }

    /// When a request that starts now gives up.
    fn request_deadline(&self) -> std::result::Result<Deadline, Cause> {
        let now = now();
        match self.deadline {
            Some(own) if own.passed(now) => Err(Cause::NotSent),
            _ => Ok(self.cut(Deadline::counted_from(now, self.request_timeout))),
        }
    }

    fn connection(&self) -> &Connection {
        &self.link.0
    }

    async fn ask(
        &self,
        request: &Request<'_>,
        tx: TxId,
    ) -> std::result::Result<Pending<'_>, Cause> {
        self.connection().ask(request, tx, self.request_deadline()?).await
    }

    async fn call(&self, request: &Request<'_>, tx: TxId) -> Outcome {
        self.ask(request, tx).await?.await
    }

    async fn flight(&self, requests: &[Request<'_>], tx: TxId) -> Vec<Outcome> {
        match self.request_deadline() {
            Ok(deadline) => self.connection().flight(requests, tx, deadline).await,
            Err(_) => requests.iter().map(|_| Err(Cause::NotSent)).collect(),
        }
    }
}

impl Put for Client {
    fn client(&self) -> &Client {
        self
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.0.end(Lost::Undriven);
    }
}

fn not_over(what: &str, cause: std::io::Error) -> Error {
    Error::new("speak to the store over", Subject::Text(what.into()), Cause::Connect(cause))
}

/// Between two tries to connect; doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
