//! The verbs, as futures. Each does nothing before it is polled and may be dropped at any time.

use std::collections::BTreeMap;
use std::future::Future;

use super::{Client, Transaction};
#[cfg(doc)]
use crate::Kind;
use crate::ask::{self, Ask};
use crate::error::Result;
use crate::flow::{Listing, Walk};
use crate::path::{Name, Path};
use crate::perms::Perms;

/// Reading nodes, through a [`Client`], a [`Transaction`] or a [`Look`](super::Look); the verbs are
/// those of the blocking [`View`](crate::View), and fail as those do.
pub trait View: sealed::Put {
    /// Reads a value; see [`View::read`](crate::View::read).
    #[doc(alias = "xs_read")]
    fn read(&self, path: &Path) -> impl Future<Output = Result<Vec<u8>>> + Send {
        self.put(ask::read(path))
    }

    /// Reads a value that is text; see [`View::read_str`](crate::View::read_str).
    fn read_str(&self, path: &Path) -> impl Future<Output = Result<String>> + Send {
        self.put(ask::read_str(path))
    }

    /// Reads a value, if there is one; see [`View::read_opt`](crate::View::read_opt).
    fn read_opt(&self, path: &Path) -> impl Future<Output = Result<Option<Vec<u8>>>> + Send {
        self.put(ask::read_opt(path))
    }

    /// Reads a value that is text, if there is one; see
    /// [`View::read_str_opt`](crate::View::read_str_opt).
    fn read_str_opt(&self, path: &Path) -> impl Future<Output = Result<Option<String>>> + Send {
        self.put(ask::read_str_opt(path))
    }

    /// Reads many values in one flight; see [`View::read_each`](crate::View::read_each).
    fn read_each<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a Path>,
    ) -> impl Future<Output = Result<Vec<Option<Vec<u8>>>>> + Send {
        let values = self.put_all(paths.into_iter().map(ask::read_opt).collect());
        async { values.await.into_iter().collect() }
    }

    /// Lists the names of a node's children; see [`View::directory`](crate::View::directory).
    #[doc(alias = "xs_directory")]
    fn directory(&self, path: &Path) -> impl Future<Output = Result<Vec<Name>>> + Send {
        self.run(Listing::new(path.clone()))
    }

    /// Reads a node and everything below it; see [`View::subtree`](crate::View::subtree).
    fn subtree(&self, top: &Path) -> impl Future<Output = Result<BTreeMap<Path, Vec<u8>>>> + Send {
        self.run(Walk::new(top.clone()))
    }

    /// Reads who may do what with a node; see [`View::perms`](crate::View::perms).
    #[doc(alias = "xs_get_permissions")]
    fn perms(&self, path: &Path) -> impl Future<Output = Result<Perms>> + Send {
        self.put(ask::perms(path))
    }
}

/// Reading and changing nodes, through a [`Client`] or a [`Transaction`]; the verbs are those of the
/// blocking [`Store`](crate::Store), and fail as those do. A future that is dropped before its
/// answer may have changed the store or not.
pub trait Store: View {
    /// Writes a value; see [`Store::write`](crate::Store::write).
    #[doc(alias = "xs_write")]
    fn write(
        &self,
        path: &Path,
        value: impl AsRef<[u8]> + Send + Sync,
    ) -> impl Future<Output = Result<()>> + Send {
        async move { self.put(ask::write(path, value.as_ref())).await }
    }

    /// Makes a node and its parents; see [`Store::mkdir`](crate::Store::mkdir).
    #[doc(alias = "xs_mkdir")]
    fn mkdir(&self, path: &Path) -> impl Future<Output = Result<()>> + Send {
        self.put(ask::mkdir(path))
    }

    /// Removes a node and everything below it; see [`Store::rm`](crate::Store::rm).
    #[doc(alias = "xs_rm")]
    fn rm(&self, path: &Path) -> impl Future<Output = Result<()>> + Send {
        self.put(ask::rm(path))
    }

    /// Removes a node, whether or not it exists; see
    /// [`Store::rm_if_exists`](crate::Store::rm_if_exists).
    fn rm_if_exists(&self, path: &Path) -> impl Future<Output = Result<()>> + Send {
        self.put(ask::rm_if_exists(path))
    }

    /// Sets who may do what with a node; see [`Store::set_perms`](crate::Store::set_perms).
    #[doc(alias = "xs_set_permissions")]
    fn set_perms(&self, path: &Path, perms: &Perms) -> impl Future<Output = Result<()>> + Send {
        async move { self.put(ask::set_perms(path, perms)).await }
    }

    /// Puts many questions in one flight; see [`Store::batch`](crate::Store::batch).
    fn batch<'a, T>(
        &self,
        asks: impl IntoIterator<Item = Ask<'a, T>>,
    ) -> impl Future<Output = Vec<Result<T>>> + Send
    where
        T: Send + 'a,
    {
        self.put_all(asks.into_iter().collect())
    }
}

impl View for Client {}
impl View for Transaction<'_> {}
impl<V: View + ?Sized> View for &V {}

impl Store for Client {}
impl Store for Transaction<'_> {}
impl<S: Store + ?Sized> Store for &S {}

pub(super) mod sealed {
    use std::future::Future;

    use super::{Ask, Client, Result};
    use crate::ask::Outcome;
    use crate::flow::Flow;
    use crate::proto::{Request, TxId};

    /// Somebody on whose behalf requests are put to the store.
    #[allow(private_bounds, private_interfaces, reason = "only this crate has operations")]
    pub trait Put: Sync {
        #[doc(hidden)]
        fn client(&self) -> &Client;

        #[doc(hidden)]
        fn tx(&self) -> TxId {
            TxId::NONE
        }

        /// This is about to be asked.
        #[doc(hidden)]
        fn asking(&self, _: &Request<'_>) {}

        /// This was answered.
        #[doc(hidden)]
        fn answered(&self, _: &Outcome) {}

        #[doc(hidden)]
        fn put<T>(&self, ask: Ask<'_, T>) -> impl Future<Output = Result<T>> + Send {
            async move {
                self.asking(ask.request());
                let outcome = self.client().call(ask.request(), self.tx()).await;
                self.answered(&outcome);
                ask.answered(outcome)
            }
        }

        #[doc(hidden)]
        fn put_all<T>(&self, asks: Vec<Ask<'_, T>>) -> impl Future<Output = Vec<Result<T>>> + Send {
            async move {
                let requests: Vec<_> = asks.iter().map(|ask| *ask.request()).collect();
                let outcomes = flight(self, &requests).await.into_iter();
                asks.iter().zip(outcomes).map(|(ask, outcome)| ask.answered(outcome)).collect()
            }
        }

        #[doc(hidden)]
        fn run<F>(&self, mut flow: F) -> impl Future<Output = Result<F::Output>> + Send
        where
            F: Flow + Send + Sync,
        {
            async move {
                loop {
                    let outcomes = flight(self, &flow.requests()).await;
                    if let Some(done) = flow.take(outcomes) {
                        return done;
                    }
                }
            }
        }
    }

    async fn flight<P: Put + ?Sized>(put: &P, requests: &[Request<'_>]) -> Vec<Outcome> {
        requests.iter().for_each(|request| put.asking(request));
        let outcomes = put.client().flight(requests, put.tx()).await;
        outcomes.iter().for_each(|outcome| put.answered(outcome));
        outcomes
    }

    #[allow(private_interfaces, reason = "as for the trait")]
    impl<P: Put + ?Sized> Put for &P {
        fn client(&self) -> &Client {
            (**self).client()
        }

        fn tx(&self) -> TxId {
            (**self).tx()
        }

        fn asking(&self, request: &Request<'_>) {
            (**self).asking(request);
        }

        fn answered(&self, outcome: &Outcome) {
            (**self).answered(outcome);
        }
    }
}
