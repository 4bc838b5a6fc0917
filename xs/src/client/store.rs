//! The verbs that work alike on the store as it is and inside a transaction.

use super::Client;
use super::transaction::Transaction;
use crate::Kind;
use crate::error::{Cause, Error, Result, Subject};
use crate::path::{Name, Path};
use crate::perms::Perms;
use crate::proto::{Malformed, Reply, Request, TxId};

/// Reading and changing nodes, through a [`Client`] or a [`Transaction`].
///
/// Each verb fails with [`Kind::Denied`] where the node's permissions say so, with
/// [`Kind::TimedOut`] at the deadline, and with [`Kind::Unavailable`] when the connection ends.
/// A guest that asks for a node outside its own home gets [`Kind::Denied`] from the C xenstored and
/// [`Kind::NotFound`] from oxenstored if the node is missing.
pub trait Store: sealed::Ask {
    /// Reads a value.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node.
    #[doc(alias = "xs_read")]
    fn read(&self, path: &Path) -> Result<Vec<u8>> {
        self.request("read", path, &Request::Read(path), Reply::into_value)
    }

    /// Reads a value that is text.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node, [`Kind::Invalid`] if the value is not UTF-8.
    fn read_str(&self, path: &Path) -> Result<String> {
        String::from_utf8(self.read(path)?).map_err(|_| on("read", path, Cause::NotText))
    }

    /// Reads a value; `None` if there is no such node.
    ///
    /// # Errors
    /// As for every verb.
    fn read_opt(&self, path: &Path) -> Result<Option<Vec<u8>>> {
        found(self.read(path))
    }

    /// Reads a value that is text; `None` if there is no such node.
    ///
    /// # Errors
    /// [`Kind::Invalid`] if the value is not UTF-8.
    fn read_str_opt(&self, path: &Path) -> Result<Option<String>> {
        found(self.read_str(path))
    }

    /// Writes a value. The node and its parents are made if they are missing.
    ///
    /// # Errors
    /// [`Kind::NoMemory`] over a quota; [`Kind::Invalid`] if path and value have more than 4095
    /// bytes or, in oxenstored and for every domain, the value more than 2048.
    #[doc(alias = "xs_write")]
    fn write(&self, path: &Path, value: impl AsRef<[u8]>) -> Result<()> {
        let request = Request::Write { path, value: value.as_ref() };
        self.request("write", path, &request, drop)
    }

    /// Makes a node and its parents. One that exists keeps its value, and no watch fires.
    ///
    /// # Errors
    /// [`Kind::NoMemory`] over a quota.
    #[doc(alias = "xs_mkdir")]
    fn mkdir(&self, path: &Path) -> Result<()> {
        self.request("make", path, &Request::Mkdir(path), drop)
    }

    /// Removes a node and everything below it. A node that is missing is as good as removed.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if even the parent is missing (see [`Store::rm_if_exists`]),
    /// [`Kind::Invalid`] for the root of the store.
    #[doc(alias = "xs_rm")]
    fn rm(&self, path: &Path) -> Result<()> {
        self.request("remove", path, &Request::Rm(path), drop)
    }

    /// Removes a node and everything below it, whether or not it or its parents exist.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for the root of the store.
    fn rm_if_exists(&self, path: &Path) -> Result<()> {
        found(self.rm(path)).map(drop)
    }

    /// Lists the names of a node's children, in no order.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node; [`Kind::Invalid`] if the list is over 4 KiB,
    /// whether the daemon refuses (C) or sends it all the same (oxenstored).
    #[doc(alias = "xs_directory")]
    fn directory(&self, path: &Path) -> Result<Vec<Name>> {
        self.try_request("list", path, &Request::Directory(path), |reply| reply.names())
    }

    /// Reads who may do what with a node.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node.
    #[doc(alias = "xs_get_permissions")]
    fn perms(&self, path: &Path) -> Result<Perms> {
        let request = Request::GetPerms(path);
        self.try_request("read permissions of", path, &request, |reply| reply.perms())
    }

    /// Sets who may do what with a node. Only the control domain may change the owner.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is no such node; the C xenstored (observed on 4.17) says it also
    /// if there is no such domain as the owner.
    #[doc(alias = "xs_set_permissions")]
    fn set_perms(&self, path: &Path, perms: &Perms) -> Result<()> {
        let request = Request::SetPerms { path, perms };
        self.request("set permissions of", path, &request, drop)
    }
}

impl Store for Client {}
impl Store for Transaction<'_> {}
impl<S: Store + ?Sized> Store for &S {}

/// `None` for what does not exist.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn on(operation: &'static str, path: &Path, cause: impl Into<Cause>) -> Error {
    Error::new(operation, Subject::Node(path.clone()), cause)
}

mod sealed {
    use super::{Cause, Client, Malformed, Path, Reply, Request, Result, Transaction, TxId, on};

    /// Puts one request to the store.
    pub trait Ask {
        fn ask(&self, request: &Request<'_>) -> std::result::Result<Reply, Refused>;

        fn request<T>(
            &self,
            operation: &'static str,
            path: &Path,
            request: &Request<'_>,
            read: impl FnOnce(Reply) -> T,
        ) -> Result<T> {
            self.try_request(operation, path, request, |reply| Ok(read(reply)))
        }

        fn try_request<T>(
            &self,
            operation: &'static str,
            path: &Path,
            request: &Request<'_>,
            read: impl FnOnce(Reply) -> std::result::Result<T, Malformed>,
        ) -> Result<T> {
            let answer = self.ask(request).map_err(|Refused(cause)| cause);
            answer
                .and_then(|reply| read(reply).map_err(Cause::from))
                .map_err(|cause| on(operation, path, cause))
        }
    }

    /// Hides the private cause in a trait that the public one needs.
    #[derive(Debug)]
    pub struct Refused(Cause);

    impl Ask for Client {
        fn ask(&self, request: &Request<'_>) -> std::result::Result<Reply, Refused> {
            self.call(request, TxId::NONE).map_err(Refused)
        }
    }

    impl Ask for Transaction<'_> {
        fn ask(&self, request: &Request<'_>) -> std::result::Result<Reply, Refused> {
            self.call(request).map_err(Refused)
        }
    }

    impl<A: Ask + ?Sized> Ask for &A {
        fn ask(&self, request: &Request<'_>) -> std::result::Result<Reply, Refused> {
            (**self).ask(request)
        }
    }
}
