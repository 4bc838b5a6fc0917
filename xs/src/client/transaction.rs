//! Changes that happen together or not at all.

use std::cell::Cell;

use super::Client;
use super::store::sealed::{Answered, Put};
use crate::Kind;
use crate::ask::Outcome;
use crate::error::{Cause, Error, Result, Subject};
use crate::flow::{Retry, random_fraction, refused_commit};
use crate::proto::{ErrorCode, Request, TxId};

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
        let mut retry = Retry::default();
        loop {
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
            let remaining = self.deadline.map(|deadline| self.clock.remaining(deadline));
            let pause = retry.pause(remaining, random_fraction());
            let pause = pause.map_err(|cause| failed("commit", cause))?;
            self.clock.sleep(pause);
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

    fn call(&self, request: &Request<'_>) -> Outcome {
        let outcome = self.client.call(request, self.id);
        self.note(&outcome);
        outcome
    }

    fn note(&self, outcome: &Outcome) {
        if let Err(Cause::Code(ErrorCode::Eagain)) = outcome {
            self.conflict.set(true);
        }
    }

    fn commit(self) -> Result<()> {
        let ended = self.call(&Request::TransactionEnd { commit: true });
        // Once this was sent, the daemon may give the id to another transaction (xenstore.txt).
        self.open.set(matches!(ended, Err(Cause::NotSent)));
        ended.map(drop).map_err(|cause| failed("commit", refused_commit(cause)))
    }
}

impl Put for Transaction<'_> {
    fn call(&self, request: &Request<'_>) -> Answered {
        Answered(self.call(request))
    }

    fn flight(&self, requests: &[Request<'_>]) -> Vec<Answered> {
        let answers = self.client.flight(requests, self.id);
        answers.iter().for_each(|Answered(outcome)| self.note(outcome));
        answers
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
