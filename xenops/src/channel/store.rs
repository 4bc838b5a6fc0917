//! How an offer stands in the xenstore: two numbers below a path that both ends know.

use std::time::Duration;

use xen_types::{Deadline, DomId, GrantRef, Port};
use xs::{
    Access, Client, Condition, Path, Perms, Store as _, View as _, all_of, any_of, appears, ask,
    holds,
};

use crate::error::{Cause, Problem};

/// What a client needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) page: GrantRef,
    pub(super) port: Port,
}

/// An offer in the store; dropped, it is withdrawn.
#[derive(Debug)]
pub(super) struct Published {
    store: Client,
    keys: Keys,
    what: Found,
    /// Nobody had made the folder before.
    made_folder: bool,
    standing: bool,
}

/// The nodes of an offer (`init_xs_srv` of libxenvchan).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    base: Path,
    page: Path,
    port: Path,
}

impl Keys {
    pub(super) fn below(base: &Path) -> Self {
        let (page, port) = (base.join("ring-ref"), base.join("event-channel"));
        Self { base: base.clone(), page, port }
    }

    /// Waits for an offer, or for another one than `old`.
    pub(super) fn wait(
        &self,
        store: &Client,
        old: Option<Found>,
        deadline: Deadline,
    ) -> Result<Found, Cause> {
        let complete = all_of([appears(self.page.clone()), appears(self.port.clone())]);
        let condition = match old {
            None => complete,
            Some(Found { page, port }) => all_of([
                complete,
                any_of([
                    differs(&self.page, page.to_string()),
                    differs(&self.port, port.to_string()),
                ]),
            ]),
        };
        let met = store.wait(&condition, deadline)?;
        let page = number(&self.page, met.value(&self.page))?;
        let port = number(&self.port, met.value(&self.port))?;
        Ok(Found { page: GrantRef(page), port: Port(port) })
    }

    /// Writes an offer, for one domain to read.
    pub(super) fn publish(
        self,
        store: &Client,
        peer: DomId,
        what: Found,
        deadline: Deadline,
    ) -> Result<Published, Cause> {
        let within = store.with_deadline(deadline);
        let own: DomId = {
            let text = within.read_str(&OWN_ID)?;
            text.parse().map_err(|_| malformed(&OWN_ID, text.as_bytes()))?
        };
        let perms = Perms::private(own).allow(peer, Access::Read);
        let (page, port) = (what.page.to_string(), what.port.to_string());
        let made_folder = within.transaction(|tx| {
            let made_folder = tx.read_opt(&self.base)?.is_none();
            let done = tx.batch([
                ask::write(&self.page, &page),
                ask::set_perms(&self.page, &perms),
                ask::write(&self.port, &port),
                ask::set_perms(&self.port, &perms),
            ]);
            done.into_iter().collect::<xs::Result<()>>()?;
            Ok(made_folder)
        })?;
        let store = store.clone();
        Ok(Published { store, keys: self, what, made_folder, standing: true })
    }
}

impl Published {
    /// Removes the nodes, unless another offer has taken their place.
    pub(super) fn withdraw(&mut self, deadline: Deadline) -> Result<(), Cause> {
        if !self.standing {
            return Ok(());
        }
        let Keys { base, page, port } = &self.keys;
        let ours =
            [self.what.page.to_string().into_bytes(), self.what.port.to_string().into_bytes()];
        self.store.with_deadline(deadline).transaction(|tx| {
            let standing = tx.read_each([page, port])?;
            if !standing.iter().map(Option::as_ref).eq(ours.iter().map(Some)) {
                return Ok(());
            }
            tx.rm(page)?;
            tx.rm(port)?;
            if self.made_folder && tx.directory(base)?.is_empty() {
                tx.rm(base)?;
            }
            Ok(())
        })?;
        self.standing = false;
        Ok(())
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // A store that is silent keeps the nodes; a client finds them without meaning.
        let _ = self.withdraw(self.store.clock().after(A_MOMENT));
    }
}

fn differs(path: &Path, old: String) -> Condition {
    holds(path.clone(), "is another one", move |value| value.is_some_and(|v| v != old.as_bytes()))
}

/// A number above 0 in decimal digits: reference 0 is Xen's own, and port 0 is none.
fn number(path: &Path, value: Option<&[u8]>) -> Result<u32, Cause> {
    let value = value.unwrap_or_default();
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = Some(value).filter(|_| digits).and_then(|value| str::from_utf8(value).ok());
    let number = text.and_then(|text| text.parse().ok()).filter(|number| *number != 0);
    number.ok_or_else(|| malformed(path, value))
}

fn malformed(path: &Path, value: &[u8]) -> Cause {
    let value = String::from_utf8_lossy(value).into_owned();
    Problem::Malformed { path: path.to_string(), value }.into()
}

/// This domain's own number, relative to its home.
const OWN_ID: Path = Path::from_static("domid");

/// How long a dropped guard lets the store take.
const A_MOMENT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use xen_types::Kind;
    use xs_server::{Alone, Core, Quotas, Server};

    use super::*;

    #[test]
    fn an_offer_that_was_not_withdrawn_in_time_is_withdrawn_when_it_is_dropped() {
        let core = Core::new(Box::new(Alone), Quotas::default());
        let daemon = Server::new(core).unwrap().spawn().unwrap();
        let store = Client::from_stream(daemon.connect().unwrap()).unwrap();
        store.write(&Path::from_static("/local/domain/0/domid"), "0").unwrap();
        let base = Path::from_static("/local/domain/0/data/test");
        let what = Found { page: GrantRef(7), port: Port(9) };
        let soon = Deadline::after(Duration::from_secs(20));
        let peer = DomId::new(3).unwrap();
        let mut offer = Keys::below(&base).publish(&store, peer, what, soon).unwrap();

        let late = offer.withdraw(Deadline::after(Duration::ZERO)).unwrap_err();

        assert_eq!(late.kind(), Kind::TimedOut);
        assert!(store.read_opt(&base).unwrap().is_some());
        drop(offer);
        assert_eq!(store.read_opt(&base).unwrap(), None);
    }

    #[test]
    fn a_number_in_the_store_is_plain_digits_and_not_zero() {
        let path = Path::from_static("/x/ring-ref");
        let number = |value| number(&path, Some(value)).ok();
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        assert_eq!(number(b"0"), None);
        assert_eq!(number(b"+7"), None);
        assert_eq!(number(b"4294967296"), None);
        assert_eq!(number(b""), None);
        assert_eq!(number(b"7\0"), None);
    }
}
