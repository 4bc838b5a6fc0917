//! The verbs that work alike on the store as it is, inside a transaction and, as far as they read, in
//! a [`Look`](super::Look).

use std::collections::BTreeMap;

use super::{Client, Transaction};
#[cfg(doc)]
use crate::Kind;
use crate::ask::{self, Ask};
use crate::error::Result;
use crate::flow::{Flow, Listing, Walk};
use crate::path::{Name, Path};
use crate::perms::Perms;

/// Reading nodes, through a [`Client`], a [`Transaction`] or a [`Look`](crate::Look).
///
/// Each verb fails with [`Kind::Denied`] where the node's permissions say so, with
/// [`Kind::TimedOut`] at the deadline, and with [`Kind::Unavailable`] when the connection ends.
/// A guest that asks for a node outside its own home gets [`Kind::Denied`] from the C xenstored and
/// [`Kind::NotFound`] from oxenstored if the node is missing.
pub trait View: sealed::Put {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node.
    #[doc(alias = "xs_read")]
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.put(&ask::read(path))
    }

    /// Reads a value that is text.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node, [`Kind::Invalid`] if the value is not UTF-8.
    fn read_str(&self, path: &Path) -> Result<String> {
        self.put(&ask::read_str(path))
    }

    /// Reads a value; `None` if there is no such node.
    ///
    /// # Errors
    /// As for every verb.
    fn read_opt(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        self.put(&ask::read_opt(path))
    }

    /// Reads a value that is text; `None` if there is no such node.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if the value is not UTF-8.
    fn read_str_opt(&self, path: &Path) -> Result<Option<String>> {
        self.put(&ask::read_str_opt(path))
    }

    /// Reads many values in one flight: all are asked for before the first is answered. `None`
    /// stands for a node that is missing.
    ///
    /// # Errors
    /// The first failure, in the order of the paths.
    fn read_each<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        self.put_all(paths.into_iter().map(ask::read_opt)).into_iter().collect()
    }

    /// Lists the names of a node's children, in no order. The list may have any length.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node; [`Kind::Again`] if a list over 4 KiB, which
    /// comes in parts, changed a hundred times meanwhile; [`Kind::Invalid`] if the daemon can send
    /// no list over 4 KiB.
    #[doc(alias = "xs_directory")]
    fn directory(&self, path: &Path) -> Result<Vec<Name>> {
        self.run(Listing::new(path.clone()))
    }

    /// Reads a node and everything below it, a level in each flight.
    ///
    /// Only in a transaction is what comes out one state of the store. Otherwise nodes that vanish
    /// on the way are left out, but for the top.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if the top is missing.
    fn subtree(&self, top: &Path) -> Result<BTreeMap<Path, Vec<u8>>> {
        self.run(Walk::new(top.clone()))
    }

    /// Reads who may do what with a node.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node.
    #[doc(alias = "xs_get_permissions")]
    fn perms(&self, path: &Path) -> Result<Perms> {
        self.put(&ask::perms(path))
    }
}

/// Reading and changing nodes, through a [`Client`] or a [`Transaction`].
pub trait Store: View {
    /// Writes a value. The node and its parents are made if they are missing.
    ///
    /// # Errors
    /// [`Kind::NoMemory`] over a quota; [`Kind::Invalid`] if path and value have more than 4095
    /// bytes or, in oxenstored and for every domain, the value more than 2048.
    #[doc(alias = "xs_write")]
    fn write(&self, path: &Path, value: impl AsRef<[u8]>) -> Result<()> {
        self.put(&ask::write(path, value.as_ref()))
    }

    /// Makes a node and its parents. One that exists keeps its value, and no watch fires.
    ///
    /// # Errors
    /// [`Kind::NoMemory`] over a quota.
    #[doc(alias = "xs_mkdir")]
    fn mkdir(&self, path: &Path) -> Result<()> {
        self.put(&ask::mkdir(path))
    }

    /// Removes a node and everything below it. A node that is missing is as good as removed.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if even the parent is missing (see [`Store::rm_if_exists`]),
    /// [`Kind::Invalid`] for the root of the store.
    #[doc(alias = "xs_rm")]
    fn rm(&self, path: &Path) -> Result<()> {
        self.put(&ask::rm(path))
    }

    /// Removes a node and everything below it, whether or not it or its parents exist.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the root of the store.
    fn rm_if_exists(&self, path: &Path) -> Result<()> {
        self.put(&ask::rm_if_exists(path))
    }

    /// Sets who may do what with a node. Only the control domain may change the owner.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node; the C xenstored (observed on 4.17) says it also
    /// if there is no such domain as the owner.
    #[doc(alias = "xs_set_permissions")]
    fn set_perms(&self, path: &Path, perms: &Perms) -> Result<()> {
        self.put(&ask::set_perms(path, perms))
    }

    /// Puts many questions in one flight: all are sent before the first is answered. The store
    /// carries them out in their order; that one fails does not keep it from the next.
    ///
    /// ```no_run
    /// # fn example(store: &impl xs::Store, home: &xs::Path) -> xs::Result<()> {
    /// use xs::ask;
    ///
    /// let (name, state) = (home.join("name"), home.join("state"));
    /// let written = store.batch([ask::write(&name, "alpha"), ask::write(&state, "1")]);
    /// written.into_iter().collect()
    /// # }
    /// ```
    fn batch<'a, T>(&self, asks: impl IntoIterator<Item = Ask<'a, T>>) -> Vec<Result<T>> {
        self.put_all(asks)
    }
}

impl View for Client {}
impl View for Transaction<'_> {}
impl<V: View + ?Sized> View for &V {}

impl Store for Client {}
impl Store for Transaction<'_> {}
impl<S: Store + ?Sized> Store for &S {}

pub(super) mod sealed {
    use super::{Ask, Flow, Result};
    use crate::ask::Outcome;
    use crate::error::Cause;
    use crate::proto::Request;

    /// Puts requests to the store.
    pub trait Put {
        #[doc(hidden)]
        fn call(&self, request: &Request<'_>) -> Answered;

        #[doc(hidden)]
        fn flight(&self, requests: &[Request<'_>]) -> Vec<Answered>;

        #[doc(hidden)]
        fn put<T>(&self, ask: &Ask<'_, T>) -> Result<T> {
            ask.answered(self.call(ask.request()).0)
        }

        #[doc(hidden)]
        fn put_all<'a, T>(&self, asks: impl IntoIterator<Item = Ask<'a, T>>) -> Vec<Result<T>> {
            let asks: Vec<_> = asks.into_iter().collect();
            let requests: Vec<_> = asks.iter().map(|ask| *ask.request()).collect();
            let answers = self.flight(&requests).into_iter();
            asks.iter().zip(answers).map(|(ask, Answered(outcome))| ask.answered(outcome)).collect()
        }

        #[doc(hidden)]
        #[allow(private_bounds, private_interfaces, reason = "only this crate has operations")]
        fn run<F: Flow>(&self, mut flow: F) -> Result<F::Output> {
            loop {
                let answers = self.flight(&flow.requests());
                if let Some(done) = flow.take(answers.into_iter().map(|answer| answer.0).collect())
                {
                    return done;
                }
            }
        }
    }

    /// Hides the private cause in a trait that the public ones need.
    #[derive(Debug)]
    pub struct Answered(pub(crate) Outcome);

    impl From<Cause> for Answered {
        fn from(cause: Cause) -> Self {
            Self(Err(cause))
        }
    }

    impl<P: Put + ?Sized> Put for &P {
        fn call(&self, request: &Request<'_>) -> Answered {
            (**self).call(request)
        }

        fn flight(&self, requests: &[Request<'_>]) -> Vec<Answered> {
            (**self).flight(requests)
        }
    }
}
