//! Changes that happen together or not at all.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use super::Client;
use crate::Kind;
use crate::error::{Cause, Error, Result, Subject};
use crate::proto::{ErrorCode, Reply, Request, TxId};

/// A transaction that is under way; the verbs are those of [`Store`](crate::Store).
///
/// What cannot be part of a transaction (watches, introducing domains, a second transaction) is not
/// among them.
#[derive(Debug)]
pub struct Transaction<'a> {
    client: &'a Client,
    id: TxId,
    /// The daemon said inside the transaction already that it cannot be committed.
    conflict: Cell<bool>,
    open: Cell<bool>,
}

impl Client {
    /// Carries out `body` in a transaction: all its changes become visible at once, or none.
    ///
    /// When another change got in between, `body` is run again on the new state, so it must not
    /// keep anything from an earlier run. That happens a bounded number of times, with pauses of
    /// random length that grow, and within the deadline of [`Client::with_deadline`]. The C
    /// xenstored finds conflicts also where nothing was read (a sibling was made); oxenstored does
    /// not.
    ///
    /// If `body` fails or panics, nothing is changed.
    ///
    /// # Errors
    /// What `body` returns; [`Kind::Again`] if every attempt met a conflict. After
    /// [`Kind::TimedOut`] or [`Kind::Unavailable`] the changes may have been made or not.
    #[doc(alias = "xs_transaction_start")]
    #[doc(alias = "xs_transaction_end")]
    pub fn transaction<T>(&self, mut body: impl FnMut(&Transaction<'_>) -> Result<T>) -> Result<T> {
        for attempt in 0..ATTEMPTS {
            let transaction = Transaction::start(self)?;
            match body(&transaction) {
                Ok(value) => match transaction.commit() {
                    Ok(()) => return Ok(value),
                    Err(error) if error.kind() == Kind::Again => {}
                    Err(error) => return Err(error),
                },
                Err(_) if transaction.conflict.get() => drop(transaction),
                Err(error) => return Err(error),
            }
            self.pause(attempt)?;
        }
        Err(failed("commit", Cause::Conflicts { attempts: ATTEMPTS }))
    }

    fn pause(&self, attempt: u32) -> Result<()> {
        let pause = FIRST_PAUSE.saturating_mul(1 << attempt.min(7)).mul_f64(random_fraction());
        let now = Instant::now();
        match self.deadline {
            Some(deadline) if deadline.remaining(now) <= pause => {
                Err(failed("commit", Cause::Conflicts { attempts: attempt + 1 }))
            }
            _ => {
                std::thread::sleep(pause);
                Ok(())
            }
        }
    }
}

impl<'a> Transaction<'a> {
    fn start(client: &'a Client) -> Result<Self> {
        let id = client
            .call(&Request::TransactionStart, TxId::NONE)
            .and_then(|reply| Ok(reply.tx()?))
            .map_err(|cause| failed("start", cause))?;
        Ok(Self { client, id, conflict: Cell::new(false), open: Cell::new(true) })
    }

    pub(super) fn call(&self, request: &Request<'_>) -> std::result::Result<Reply, Cause> {
        let reply = self.client.call(request, self.id);
        if let Err(Cause::Code(ErrorCode::Eagain)) = reply {
            self.conflict.set(true);
        }
        reply
    }

    fn commit(self) -> Result<()> {
        let ended = self.call(&Request::TransactionEnd { commit: true });
        // Once this was sent, the daemon may give the id to another transaction (xenstore.txt).
        self.open.set(matches!(ended, Err(Cause::NotSent)));
        ended.map(drop).map_err(|cause| failed("commit", cause))
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open.get() {
            let end = Request::TransactionEnd { commit: false };
            self.client.connection.forget(&end, self.id).expect("it has no path to be wrong");
        }
    }
}

fn failed(operation: &'static str, cause: Cause) -> Error {
    Error::new(operation, Subject::Transaction, cause)
}

/// Between 0 and 1. The standard library seeds each `RandomState` differently.
fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(());
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

/// With the pauses below about 3 s in all.
const ATTEMPTS: u32 = 100;

/// Doubled up to 64 ms, and each multiplied by a random fraction.
const FIRST_PAUSE: Duration = Duration::from_micros(500);
