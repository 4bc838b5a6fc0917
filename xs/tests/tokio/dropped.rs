//! Every operation is dropped at every point at which it waits. Then the connection must still
//! work, and neither a watch nor a transaction may be left at the daemon.
//!
//! A future waits once for each time that polling it finds nothing. So each operation is begun
//! again and again, polled once more each time, and dropped, until it comes to its end. Between two
//! polls the daemon answers until the future is woken. The last wait ends in one of two ways:
//! - the answer is still out at the drop, and comes later;
//! - the answer has come, and the future was woken, but never polled again.

use std::collections::BTreeSet;
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;

use tokio::sync::Notify;
use xen_types::DomId;
use xs::tokio::{Client, Store as _, View as _};
use xs::{Path, Perms, appears, ask};

use crate::script::*;
use crate::stage::*;

static MISSING: Path = Path::from_static("/missing");
static PARTS: Path = Path::from_static("/parts");
static TREE: Path = Path::from_static("/tree");

type Operation = for<'c> fn(&'c Client) -> Pin<Box<dyn Future<Output = ()> + Send + 'c>>;

/// Names each operation, and boxes it.
macro_rules! operations {
    ($($client:ident => $body:expr),* $(,)?) => {
        [$((stringify!($body), (|$client| Box::pin(async move { let _ = $body; })) as Operation)),*]
    };
}

#[test]
fn requests_leave_nothing_behind() {
    leave_nothing_behind(&operations![
        client => client.read(&A).await.unwrap(),
        client => client.read_str(&A).await.unwrap(),
        client => client.read_opt(&MISSING).await.unwrap(),
        client => client.read_str_opt(&A).await.unwrap(),
        client => client.perms(&A).await.unwrap(),
        client => client.write(&A, "1").await.unwrap(),
        client => client.mkdir(&A).await.unwrap(),
        client => client.rm(&A).await.unwrap(),
        client => client.rm_if_exists(&A).await.unwrap(),
        client => client.set_perms(&A, &Perms::private(DomId::DOM0)).await.unwrap(),
        client => client.domain_path(DomId::DOM0).await.unwrap(),
        client => client.is_introduced(DomId::DOM0).await.unwrap(),
        client => client.release(DomId::DOM0).await.unwrap(),
        client => client.features().await.unwrap(),
        client => client.control(&["help"]).await.unwrap(),
    ]);
}

#[test]
fn flights_leave_nothing_behind() {
    leave_nothing_behind(&operations![
        client => client.batch([ask::write(&A, "1"), ask::rm(&B), ask::mkdir(&A)]).await,
        client => client.read_each([&A, &MISSING, &B]).await.unwrap(),
        client => client.directory(&PARTS).await.unwrap(),
        client => client.subtree(&TREE).await.unwrap(),
    ]);
}

#[test]
fn watches_leave_nothing_behind() {
    leave_nothing_behind(&operations![
        client => client.watch(&A).await.unwrap(),
        client => client.watch_to_depth(&A, 1).await.unwrap(),
        client => {
            let mut watch = client.watch(&A).await.unwrap();
            watch.wait(soon()).await.unwrap();
            let mut other = client.watch(&B).await.unwrap();
            other.wait(soon()).await.unwrap();
        },
        client => client.wait(&appears(A.clone()), soon()).await.unwrap(),
        client => client.wait(&appears(Path::from_static("/soon")), soon()).await.unwrap(),
        client => client.until("both", soon(), async |look| {
            look.read(&A).await?;
            look.read_opt(&MISSING).await?;
            look.read_opt(&Path::from_static("/soon")).await
        }).await.unwrap(),
    ]);
}

#[test]
fn transactions_leave_nothing_behind() {
    leave_nothing_behind(&operations![
        client => client.transaction(async |tx| tx.write(&A, "1").await).await.unwrap(),
        client => client.transaction(async |tx| {
            tx.read_each([&A, &B]).await?;
            tx.subtree(&TREE).await?;
            tx.batch([ask::write(&A, "1"), ask::rm(&B)]).await.into_iter().collect::<xs::Result<()>>()
        }).await.unwrap(),
        // Meets a conflict at its first commit, and pauses.
        client => client.transaction(async |tx| tx.write(&MISSING, "1").await).await.unwrap(),
        // Is told of a conflict in its body at first, and pauses.
        client => client.transaction(async |tx| tx.mkdir(&MISSING).await).await.unwrap(),
    ]);
}

#[test]
fn what_waits_for_room_leaves_nothing_behind() {
    let (ours, theirs) = pair();
    let filling = [b'x'; 4000];
    runtime().block_on(async {
        let client = Client::from_stream(ours).unwrap();
        // The daemon does not read yet: what finds no room is not sent.
        let mut fillers: Vec<_> = (0..1000).map(|_| Box::pin(client.write(&B, filling))).collect();
        for filler in &mut fillers {
            assert!(poll_once(filler).await.is_none());
        }
        let mut watch = Box::pin(client.watch(&A));
        let mut start = Box::pin(client.transaction(async |tx| tx.write(&A, "1").await));
        assert!(poll_once(&mut watch).await.is_none());
        assert!(poll_once(&mut start).await.is_none());
        drop((fillers, watch, start));
        let daemon = Daemon::start(theirs);
        daemon.gate.open();
        client.read(&A).await.unwrap();
        drop(client);
        let record = daemon.finish().await;
        assert!(record.writes > 0, "something was under way");
        assert_eq!((record.watches_begun, record.transactions_begun), (0, 0));
    });
}

/// How the last wait of an operation ends.
#[derive(Debug, Clone, Copy)]
enum Last {
    AnswerIsOut,
    AnswerHasCome,
}

fn leave_nothing_behind(operations: &[(&str, Operation)]) {
    for (name, operation) in operations {
        for last in [Last::AnswerIsOut, Last::AnswerHasCome] {
            let ended = (1..100).find(|polls| {
                runtime().block_on(async { drop_after(*polls, last, *operation, name).await })
            });
            let polls = ended.unwrap_or_else(|| panic!("{name} never ends"));
            assert!(polls > 1, "{name} does not wait");
        }
    }
}

/// Polls an operation so often at most, drops it, and checks what is left. Whether it came to its
/// end.
async fn drop_after(polls: usize, last: Last, operation: Operation, name: &str) -> bool {
    let (ours, theirs) = pair();
    let daemon = Daemon::start(theirs);
    let client = Client::from_stream(ours).unwrap();
    let ended = {
        let mut future = pin!(operation(&client));
        let mut ended = false;
        for poll in 1..=polls {
            let flag = Arc::new(Flag::default());
            let waker = Waker::from(Arc::clone(&flag));
            daemon.gate.close();
            ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            if ended || (poll == polls && matches!(last, Last::AnswerIsOut)) {
                break;
            }
            daemon.gate.open();
            flag.raised().await;
        }
        ended
    };
    daemon.gate.open();
    // Twice: what a late answer brings is undone when that is received, and sent before this.
    assert_eq!(client.read(&A).await.unwrap(), b"value", "{name}");
    assert_eq!(client.read(&A).await.unwrap(), b"value", "{name}");
    drop(client);
    let record = daemon.finish().await;
    let place = format!("{name}, {polls} polls, {last:?}");
    assert_eq!(record.watches, BTreeSet::new(), "{place}");
    assert_eq!(record.transactions, BTreeSet::new(), "{place}");
    assert_eq!(record.mistakes, Vec::<String>::new(), "{place}");
    ended
}

/// A waker that says when it was woken.
#[derive(Debug, Default)]
struct Flag {
    up: AtomicBool,
    raised: Notify,
}

impl Flag {
    async fn raised(&self) {
        while !self.up.load(SeqCst) {
            self.raised.notified().await;
        }
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.up.store(true, SeqCst);
        self.raised.notify_one();
    }
}

/// A daemon that answers everything, while its gate is open, and keeps a record.
struct Daemon {
    gate: Arc<Gate>,
    thread: thread::JoinHandle<Record>,
}

#[derive(Debug, Default)]
struct Gate {
    open: Mutex<bool>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Record {
    watches: BTreeSet<Vec<u8>>,
    watches_begun: usize,
    transactions: BTreeSet<u32>,
    transactions_begun: u32,
    writes: usize,
    /// Requests that a client has no right to make.
    mistakes: Vec<String>,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.changed.notify_all();
    }

    fn close(&self) {
        *self.open.lock().unwrap() = false;
    }

    fn pass(&self) {
        let closed = |open: &mut bool| !*open;
        drop(self.changed.wait_while(self.open.lock().unwrap(), closed).unwrap());
    }
}

impl Daemon {
    fn start(stream: UnixStream) -> Self {
        let gate = Arc::new(Gate::default());
        let its_gate = Arc::clone(&gate);
        let thread = thread::spawn(move || {
            let (mut peer, mut record) = (Peer(stream), Record::default());
            while let Some(request) = peer.next() {
                its_gate.pass();
                record.serve(&mut peer, &request);
            }
            record
        });
        Self { gate, thread }
    }

    /// Waits for the end of the connection, which takes a turn of the client's runtime.
    async fn finish(self) -> Record {
        tokio::task::spawn_blocking(|| self.thread.join().unwrap()).await.unwrap()
    }
}

impl Record {
    fn serve(&mut self, peer: &mut Peer, request: &Packet) {
        let Packet { op, id, tx, payload } = request;
        if *tx != 0 && !self.transactions.contains(tx) {
            self.mistakes.push(format!("{request:?} in a transaction that has ended"));
        }
        let text = payload.escape_ascii().to_string();
        let (op, answer) = match (*op, text.as_str()) {
            (WATCH, _) => {
                let (path, token) = text.split_once("\\x00").unwrap();
                let token = token.split("\\x00").next().unwrap();
                self.watches.insert(format!("{path} {token}").into());
                self.watches_begun += 1;
                peer.send(WATCH, *id, 0, b"OK\0");
                let event = format!("{path}\0{token}\0");
                peer.send(EVENT, 0, 0, event.as_bytes());
                return;
            }
            (UNWATCH, _) => {
                let (path, token) = text.trim_end_matches("\\x00").split_once("\\x00").unwrap();
                if !self.watches.remove(format!("{path} {token}").as_bytes()) {
                    self.mistakes.push(format!("{request:?} without a watch"));
                }
                (UNWATCH, b"OK\0".to_vec())
            }
            (START, _) => {
                self.transactions_begun += 1;
                self.transactions.insert(self.transactions_begun);
                (START, format!("{}\0", self.transactions_begun).into())
            }
            (END, end) => {
                self.transactions.remove(tx);
                // The first transaction on /missing meets a conflict.
                match end == "T\\x00" && self.writes == 1 {
                    true => (ERROR, b"EAGAIN\0".to_vec()),
                    false => (END, b"OK\0".to_vec()),
                }
            }
            (READ, "/missing\\x00") => (ERROR, b"ENOENT\0".to_vec()),
            (READ, "/soon\\x00") if self.watches.is_empty() => (ERROR, b"ENOENT\0".to_vec()),
            (READ, _) => (READ, b"value".to_vec()),
            (DIRECTORY, "/parts\\x00") => (ERROR, b"E2BIG\0".to_vec()),
            (DIRECTORY_PART, "/parts\\x000\\x00") => (DIRECTORY_PART, b"9\0x\0".to_vec()),
            (DIRECTORY_PART, _) => (DIRECTORY_PART, b"9\0y\0\0".to_vec()),
            (DIRECTORY, "/tree\\x00") => (DIRECTORY, b"left\0right\0".to_vec()),
            (DIRECTORY, _) => (DIRECTORY, Vec::new()),
            (WRITE, text) => {
                // A write of /a is of no transaction that meets a conflict.
                self.writes += if text.starts_with("/missing") { 1 } else { 2 };
                (WRITE, b"OK\0".to_vec())
            }
            (MKDIR, "/missing\\x00") if self.transactions_begun == 1 => {
                (ERROR, b"EAGAIN\0".to_vec())
            }
            (GET_PERMS, _) => (GET_PERMS, b"n0\0".to_vec()),
            (GET_DOMAIN_PATH, _) => (GET_DOMAIN_PATH, b"/local/domain/0\0".to_vec()),
            (IS_INTRODUCED, _) => (IS_INTRODUCED, b"T\0".to_vec()),
            (GET_FEATURE, _) => (GET_FEATURE, b"1\0".to_vec()),
            (op, _) => (op, b"OK\0".to_vec()),
        };
        peer.send(op, *id, *tx, &answer);
    }
}

const GET_PERMS: u32 = 3;
const GET_DOMAIN_PATH: u32 = 10;
const MKDIR: u32 = 12;
const IS_INTRODUCED: u32 = 17;
const GET_FEATURE: u32 = 23;
