//! Running a function again whenever what it has read changes.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use xen_types::Deadline;

use super::Client;
use super::body::Body;
use super::store::View;
use super::store::sealed::Put;
use super::watch::Subscription;
use crate::error::{Error, Result, Subject};
use crate::flow::Looking;
use crate::path::Path;
use crate::proto::Request;

/// What a function reads through when it is to run again once that has changed; the verbs are those
/// of [`View`]. See [`Client::until`].
#[derive(Debug)]
pub struct Look<'a> {
    client: &'a Client,
    seen: Mutex<BTreeSet<Path>>,
}

impl Client {
    /// Runs `look` until it finds something: at once, and again whenever a node that it read, or
    /// one below, has changed. `what` says in words what it looks for. It is what
    /// [`Client::until`](crate::Client::until) is to blocking code.
    ///
    /// ```no_run
    /// # async fn example(client: &xs::tokio::Client) -> xs::Result<()> {
    /// use std::time::Duration;
    /// use xs::tokio::View as _;
    ///
    /// let vifs = xs::Path::from_static("/local/domain/7/device/vif");
    /// let soon = xs::Deadline::after(Duration::from_secs(20));
    /// let first = client
    ///     .until("a vif to appear", soon, async |look| {
    ///         Ok(look.directory(&vifs).await?.into_iter().next())
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Client::until`](crate::Client::until).
    pub fn until<T: Send>(
        &self,
        what: &str,
        deadline: Deadline,
        look: impl AsyncFnMut(&Look<'_>) -> Result<Option<T>>
        + for<'l> Body<'l, Look<'l>, Option<T>>
        + Send,
    ) -> impl Future<Output = Result<T>> + Send {
        self.look_until(what, deadline, look)
    }

    async fn look_until<T>(
        &self,
        what: &str,
        deadline: Deadline,
        mut look: impl for<'l> Body<'l, Look<'l>, Option<T>>,
    ) -> Result<T> {
        let client = self.with_deadline(deadline);
        let failed = |cause| Error::new("wait for", Subject::Text(what.to_owned()), cause);
        let mut events = Subscription::new(&client);
        let mut looking = Looking::default();
        loop {
            let view = Look { client: &client, seen: Mutex::default() };
            if let Some(found) = look(&view).await? {
                return Ok(found);
            }
            let seen = view.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
            let change = looking.looked(seen).map_err(failed)?;
            change.stale.iter().for_each(|path| events.remove(path));
            if change.fresh.is_empty() {
                events.next(deadline).await.map_err(failed)?;
                events.clear(); // one look answers all of them
            } else {
                let fresh: Vec<_> = change.fresh.iter().collect();
                events.add_all(&fresh, None).await.map_err(failed)?;
            }
        }
    }
}

impl View for Look<'_> {}

impl Put for Look<'_> {
    fn client(&self) -> &Client {
        self.client
    }

    fn asking(&self, request: &Request<'_>) {
        if let Some(path) = request.path() {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        }
    }
}
