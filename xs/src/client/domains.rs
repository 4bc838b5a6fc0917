//! Telling the store about domains, and about itself.

use xen_types::{DomId, Gfn, Port};

use super::Client;
use super::store::sealed::Put;
use crate::ask::{self, Ask};
use crate::error::Result;
use crate::path::Path;
use crate::proto::{Features, TxId};

impl Client {
    /// Connects the store to a domain: `gfn` is the page of its ring, `port` the domain's own end
    /// of the event channel. For a domain that is known already, both are replaced.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if the store cannot map the page or bind the port,
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_introduce_domain")]
    pub fn introduce(&self, dom: DomId, gfn: Gfn, port: Port) -> Result<()> {
        self.put(&ask::introduce(dom, gfn, port))
    }

    /// Disconnects the store from a domain.
    ///
    /// # Errors
    /// For a domain that the store does not know, [`Kind::NotFound`](crate::Kind::NotFound) from
    /// the C xenstored and [`Kind::Invalid`](crate::Kind::Invalid) from oxenstored;
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_release_domain")]
    pub fn release(&self, dom: DomId) -> Result<()> {
        self.put(&ask::release(dom))
    }

    /// Says that a domain which was suspended runs on, so that its next shutdown is told again as
    /// [`Path::RELEASE_DOMAIN`].
    ///
    /// # Errors
    /// As for [`Client::release`].
    #[doc(alias = "xs_resume_domain")]
    pub fn resume(&self, dom: DomId) -> Result<()> {
        self.put(&ask::resume(dom))
    }

    /// Gives `dom`, which serves `target` (a stub domain), all rights that `target` has.
    ///
    /// # Errors
    /// As for [`Client::release`].
    #[doc(alias = "xs_set_target")]
    pub fn set_target(&self, dom: DomId, target: DomId) -> Result<()> {
        self.put(&ask::set_target(dom, target))
    }

    /// Asks the store for the home of a domain. It is an answer for any domain, known or not, and
    /// the same as [`Path::domain`].
    ///
    /// # Errors
    /// As for every request.
    #[doc(alias = "xs_get_domain_path")]
    pub fn domain_path(&self, dom: DomId) -> Result<Path> {
        self.put(&ask::domain_path(dom))
    }

    /// Asks whether the store is connected to a domain.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_is_domain_introduced")]
    pub fn is_introduced(&self, dom: DomId) -> Result<bool> {
        self.put(&ask::is_introduced(dom))
    }

    /// What the store offers the caller; Xen 4.21.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) or [`Kind::Invalid`](crate::Kind::Invalid)
    /// from a store that is older.
    #[doc(alias = "xs_get_features_supported")]
    pub fn features(&self) -> Result<Features> {
        self.put_pushed(&ask::features())
    }

    /// What the store offers a domain; Xen 4.21.
    ///
    /// # Errors
    /// As for [`Client::features`]; [`Kind::NotFound`](crate::Kind::NotFound) if there is no such
    /// domain, [`Kind::Denied`](crate::Kind::Denied) outside the control domain.
    #[doc(alias = "xs_get_features_domain")]
    pub fn features_of(&self, dom: DomId) -> Result<Features> {
        self.put(&ask::features_of(dom))
    }

    /// Says what the store offers a domain, before the domain is introduced; Xen 4.21.
    ///
    /// # Errors
    /// As for [`Client::features_of`]; [`Kind::Busy`](crate::Kind::Busy) if the domain has been
    /// introduced, [`Kind::Invalid`](crate::Kind::Invalid) if the store has not all of these.
    #[doc(alias = "xs_set_features_domain")]
    pub fn set_features(&self, dom: DomId, features: Features) -> Result<()> {
        self.put(&ask::set_features(dom, features))
    }

    /// The names of the quotas that the store has; Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::features`].
    #[doc(alias = "xs_get_quota_names")]
    pub fn quotas(&self) -> Result<Vec<String>> {
        self.put_pushed(&ask::quotas())
    }

    /// What a domain may use, or with `None` what domains begin with, in the unit of the quota
    /// (`nodes`: nodes, `node-size`: bytes); 0 is no limit. Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::features_of`]; [`Kind::Invalid`](crate::Kind::Invalid) if there is no such
    /// quota.
    #[doc(alias = "xs_get_domain_quota")]
    #[doc(alias = "xs_get_global_quota")]
    pub fn quota(&self, name: &str, dom: Option<DomId>) -> Result<u32> {
        self.put(&ask::quota(name, dom))
    }

    /// Says what a domain may use, or with `None` what domains begin with; units as for
    /// [`Client::quota`]. Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::quota`].
    #[doc(alias = "xs_set_domain_quota")]
    #[doc(alias = "xs_set_global_quota")]
    pub fn set_quota(&self, name: &str, dom: Option<DomId>, value: u32) -> Result<()> {
        self.put(&ask::set_quota(name, dom, value))
    }

    /// Gives the daemon a command with its arguments, such as `["memreport"]` or `["quota"]`, and
    /// returns what it says. The commands are the daemon's own (docs/misc/xenstore.txt).
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) outside the control domain,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for what the daemon does not know.
    #[doc(alias = "xs_control_command")]
    #[doc(alias = "xs_debug_command")]
    pub fn control(&self, command: &[&str]) -> Result<String> {
        self.put(&ask::control(command))
    }

    /// Ends all watches and transactions that the store still has for the caller's domain: those of
    /// a kernel before this one, on the same ring (kexec).
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::Kind::Busy) if this connection has watches of its own.
    pub fn reset_watches(&self) -> Result<()> {
        self.put(&ask::reset_watches())
    }

    /// Puts a question that may not be answered before more bytes arrive, and sends some.
    fn put_pushed<T>(&self, ask: &Ask<'_, T>) -> Result<T> {
        let mut answers = self.flight(&[*ask.request(), ask::PUSH], TxId::NONE);
        let answer = answers.swap_remove(0);
        ask.answered(answer.0)
    }
}
