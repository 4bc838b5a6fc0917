//! Telling the store about domains.

use xen_types::{DomId, Gfn, Port};

use super::Client;
use crate::error::{Cause, Error, Result, Subject};
use crate::path::Path;
use crate::proto::{Malformed, Reply, Request, TxId};

impl Client {
    /// Connects the store to a domain: `gfn` is the page of its ring, `port` the domain's own end
    /// of the event channel. For a domain that is known already, both are replaced.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the store cannot map the page or bind the port,
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_introduce_domain")]
    pub fn introduce(&self, dom: DomId, gfn: Gfn, port: Port) -> Result<()> {
        let request = Request::Introduce { dom, gfn, port };
        self.about("introduce", dom, &request, |_| Ok(()))
    }

    /// Disconnects the store from a domain.
    ///
    /// # Errors
    /// For a domain that the store does not know, [`Kind::NotFound`](crate::Kind::NotFound) from
    /// the C xenstored and [`Kind::Invalid`](crate::Kind::Invalid) from oxenstored;
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_release_domain")]
    pub fn release(&self, dom: DomId) -> Result<()> {
        self.about("release", dom, &Request::Release(dom), |_| Ok(()))
    }

    /// Asks the store for the home of a domain. It is an answer for any domain, known or not, and
    /// the same as [`Path::domain`].
    ///
    /// # Errors
    /// As for every request.
    #[doc(alias = "xs_get_domain_path")]
    pub fn domain_path(&self, dom: DomId) -> Result<Path> {
        self.about("find the home of", dom, &Request::GetDomainPath(dom), Reply::path)
    }

    /// Asks whether the store is connected to a domain.
    ///
    /// # Errors
    /// As for every request.
    #[doc(alias = "xs_is_domain_introduced")]
    pub fn is_introduced(&self, dom: DomId) -> Result<bool> {
        self.about("ask the store about", dom, &Request::IsDomainIntroduced(dom), Reply::flag)
    }

    fn about<T>(
        &self,
        operation: &'static str,
        dom: DomId,
        request: &Request<'_>,
        read: impl FnOnce(&Reply) -> std::result::Result<T, Malformed>,
    ) -> Result<T> {
        let answer = self.call(request, TxId::NONE);
        answer
            .and_then(|reply| read(&reply).map_err(Cause::from))
            .map_err(|cause| Error::new(operation, Subject::Domain(dom), cause))
    }
}
