//! Brings a client and the daemon that follows a script together.

use std::future::{Future, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use xs::tokio::Client;
use xs::{Deadline, Path};

use crate::script::Peer;

pub(crate) static A: Path = Path::from_static("/a");
pub(crate) static B: Path = Path::from_static("/b");

/// Runs `act` on a current-thread runtime with a client whose daemon follows `script`, in a thread
/// of its own. If either side panics the other finds its connection closed, so nothing hangs.
pub(crate) fn facing<T>(
    script: impl FnOnce(&mut Peer) + Send,
    act: impl AsyncFnOnce(Client) -> T,
) -> T {
    let (ours, theirs) = pair();
    thread::scope(|scope| {
        scope.spawn(move || script(&mut Peer(theirs)));
        runtime().block_on(async { act(Client::from_stream(ours).unwrap()).await })
    })
}

/// Our end and the daemon's.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (ours, theirs)
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

pub(crate) fn after_millis(millis: u64) -> Deadline {
    Deadline::after(Duration::from_millis(millis))
}

/// Polls a future once; `None` if it goes on.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}
