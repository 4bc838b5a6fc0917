//! Changes that happen together or not at all.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Client;
use super::body::Body;
use super::pending::now;
use super::store::sealed::Put;
use crate::Kind;
use crate::ask::Outcome;
use crate::error::{Cause, Error, Result, Subject};
use crate::flow::{Retry, random_fraction, refused_commit};
use crate::proto::{ErrorCode, Request, TxId};

/// A transaction that is under way; the verbs are those of [`Store`](super::Store).
///
/// What cannot be part of a transaction (watches, introducing domains, a second transaction) is not
/// among them.
#[derive(Debug)]
pub struct Transaction<'a> {
    client: &'a Client,
    id: TxId,
    /// The daemon said inside the transaction already that it cannot be committed.
    conflict: AtomicBool,
    open: AtomicBool,
}

impl Client {
    /// Carries out `body` in a transaction: all its changes become visible at once, or none. As
    /// [`Client::transaction`](crate::Client::transaction), it runs `body` again after a conflict.
    ///
    /// ```no_run
    /// # async fn example(client: &xs::tokio::Client) -> xs::Result<()> {
    /// use xs::tokio::{Store as _, View as _};
    ///
    /// let count = xs::Path::from_static("/tool/example/count");
    /// client
    ///     .transaction(async |tx| {
    ///         let old: u64 = tx.read_str(&count).await?.parse().unwrap_or_default();
    ///         tx.write(&count, (old + 1).to_string()).await
    ///     })
    ///     .await
    /// # }
    /// ```
    ///
    /// If `body` fails or panics, or if the future is dropped, nothing is changed; but one that is
    /// dropped while it commits may have made its changes or not.
    ///
    /// # Errors
    /// What `body` returns; [`Kind::Again`] if every attempt met a conflict. After
    /// [`Kind::TimedOut`] or [`Kind::Unavailable`] the changes may have been made or not.
    #[doc(alias = "xs_transaction_start")]
    #[doc(alias = "xs_transaction_end")]
    pub fn transaction<T: Send>(
        &self,
        body: impl AsyncFnMut(&Transaction<'_>) -> Result<T>
        + for<'t> Body<'t, Transaction<'t>, T>
        + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        self.attempt(body)
    }

    async fn attempt<T>(&self, mut body: impl for<'t> Body<'t, Transaction<'t>, T>) -> Result<T> {
        let mut retry = Retry::default();
        loop {
            let transaction = Transaction::start(self).await?;
            match body(&transaction).await {
                Ok(value) => match transaction.commit().await {
                    Ok(()) => return Ok(value),
                    Err(error) if error.kind() == Kind::Again => {}
                    Err(error) => return Err(error),
                },
                Err(_) if transaction.conflict.load(Relaxed) => drop(transaction),
                Err(error) => return Err(error),
            }
            let remaining = self.deadline.map(|deadline| deadline.remaining(now()));
            let pause = retry.pause(remaining, random_fraction());
            tokio::time::sleep(pause.map_err(|cause| failed("commit", cause))?).await;
        }
    }
}

impl<'a> Transaction<'a> {
    async fn start(client: &'a Client) -> Result<Self> {
        let reply = client.call(&Request::TransactionStart, TxId::NONE).await;
        let id = reply.and_then(|reply| Ok(reply.tx()?)).map_err(|cause| failed("start", cause))?;
        Ok(Self { client, id, conflict: AtomicBool::new(false), open: AtomicBool::new(true) })
    }

    async fn commit(self) -> Result<()> {
        let end = Request::TransactionEnd { commit: true };
        let asked = match self.client.ask(&end, self.id).await {
            Ok(pending) => {
                // Now that this is queued, the daemon may give the id to another transaction
                // (xenstore.txt).
                self.open.store(false, Relaxed);
                pending.await
            }
            Err(cause) => Err(cause),
        };
        asked.map(drop).map_err(|cause| failed("commit", refused_commit(cause)))
    }
}

#[allow(private_interfaces, reason = "as for the trait")]
impl Put for Transaction<'_> {
    fn client(&self) -> &Client {
        self.client
    }

    fn tx(&self) -> TxId {
        self.id
    }

    fn answered(&self, outcome: &Outcome) {
        if let Err(Cause::Code(ErrorCode::Eagain)) = outcome {
            self.conflict.store(true, Relaxed);
        }
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            let end = Request::TransactionEnd { commit: false };
            self.client.connection().forget(&end, self.id).expect("it has no path to be wrong");
        }
    }
}

fn failed(operation: &'static str, cause: Cause) -> Error {
    Error::new(operation, Subject::Transaction, cause)
}
