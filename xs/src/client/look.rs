//! Running a function again whenever what it has read changes.

use std::cell::RefCell;
use std::collections::BTreeSet;

use xen_types::Deadline;

use super::Client;
use super::store::View;
use super::store::sealed::{Answered, Put};
use super::watch::Subscription;
use crate::error::{Error, Result, Subject};
use crate::flow::Looking;
use crate::path::Path;
use crate::proto::{Request, TxId};

/// What a function reads through when it is to run again once that has changed; the verbs are those
/// of [`View`]. See [`Client::until`].
#[derive(Debug)]
pub struct Look<'a> {
    client: &'a Client,
    seen: RefCell<BTreeSet<Path>>,
}

impl Client {
    /// Runs `look` until it finds something: at once, and again whenever a node that it read, or
    /// one below, has changed. `what` says in words what it looks for.
    ///
    /// It is for what no [`Condition`](crate::Condition) can say, such as "the backend that the
    /// frontend names is connected": what is read may depend on what was read before.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use xs::{Client, Deadline, Path, View};
    /// # let (client, vifs) = (Client::open()?, Path::from_static("/local/domain/7/device/vif"));
    /// let soon = Deadline::after(Duration::from_secs(20));
    /// let ready = client.until("every vif to be connected", soon, |look| {
    ///     let names = look.directory(&vifs)?;
    ///     let states: Vec<_> = names.iter().map(|name| vifs.join(name).join("state")).collect();
    ///     let connected = |state: &Option<Vec<u8>>| state.as_deref() == Some(b"4");
    ///     Ok(look.read_each(&states)?.iter().all(connected).then_some(names.len()))
    /// })?;
    /// # Ok::<(), xs::Error>(())
    /// ```
    ///
    /// # Errors
    /// What `look` returns, if it is an error; [`Kind::TimedOut`](crate::Kind::TimedOut) at the
    /// deadline; [`Kind::Invalid`](crate::Kind::Invalid) if it found nothing and read nothing, so
    /// that it would never run again.
    pub fn until<T>(
        &self,
        what: &str,
        deadline: Deadline,
        mut look: impl FnMut(&Look<'_>) -> Result<Option<T>>,
    ) -> Result<T> {
        let client = self.with_deadline(deadline);
        let failed = |cause| Error::new("wait for", Subject::Text(what.to_owned()), cause);
        let mut events = Subscription::new(&client);
        let mut looking = Looking::default();
        loop {
            let view = Look { client: &client, seen: RefCell::default() };
            if let Some(found) = look(&view)? {
                return Ok(found);
            }
            let change = looking.looked(view.seen.into_inner()).map_err(failed)?;
            change.stale.iter().for_each(|path| events.remove(path));
            if change.fresh.is_empty() {
                events.next(deadline).map_err(failed)?;
                events.clear(); // one look answers all of them
            } else {
                let fresh: Vec<_> = change.fresh.iter().collect();
                events.add_all(&fresh, None).map_err(failed)?;
            }
        }
    }
}

impl Look<'_> {
    fn note(&self, request: &Request<'_>) {
        if let Some(path) = request.path() {
            self.seen.borrow_mut().insert(path.clone());
        }
    }
}

impl View for Look<'_> {}

impl Put for Look<'_> {
    fn call(&self, request: &Request<'_>) -> Answered {
        self.note(request);
        Answered(self.client.call(request, TxId::NONE))
    }

    fn flight(&self, requests: &[Request<'_>]) -> Vec<Answered> {
        requests.iter().for_each(|request| self.note(request));
        self.client.flight(requests, TxId::NONE)
    }
}
