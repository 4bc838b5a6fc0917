//! Telling the store about domains, and about itself. What each verb means, and how it fails, is said
//! of its namesake of the blocking [`Client`](crate::Client).

use xen_types::{DomId, Gfn, Port};

use super::Client;
use super::store::sealed::Put;
use crate::ask::{self, Ask};
use crate::error::Result;
use crate::path::Path;
use crate::proto::{Features, TxId};

impl Client {
    /// Connects the store to a domain.
    ///
    /// # Errors
    /// As for [`Client::introduce`](crate::Client::introduce).
    #[doc(alias = "xs_introduce_domain")]
    pub async fn introduce(&self, dom: DomId, gfn: Gfn, port: Port) -> Result<()> {
        self.put(ask::introduce(dom, gfn, port)).await
    }

    /// Disconnects the store from a domain.
    ///
    /// # Errors
    /// As for [`Client::release`](crate::Client::release).
    #[doc(alias = "xs_release_domain")]
    pub async fn release(&self, dom: DomId) -> Result<()> {
        self.put(ask::release(dom)).await
    }

    /// Says that a domain which was suspended runs on.
    ///
    /// # Errors
    /// As for [`Client::resume`](crate::Client::resume).
    #[doc(alias = "xs_resume_domain")]
    pub async fn resume(&self, dom: DomId) -> Result<()> {
        self.put(ask::resume(dom)).await
    }

    /// Gives `dom` all rights that `target` has.
    ///
    /// # Errors
    /// As for [`Client::set_target`](crate::Client::set_target).
    #[doc(alias = "xs_set_target")]
    pub async fn set_target(&self, dom: DomId, target: DomId) -> Result<()> {
        self.put(ask::set_target(dom, target)).await
    }

    /// Asks the store for the home of a domain.
    ///
    /// # Errors
    /// As for [`Client::domain_path`](crate::Client::domain_path).
    #[doc(alias = "xs_get_domain_path")]
    pub async fn domain_path(&self, dom: DomId) -> Result<Path> {
        self.put(ask::domain_path(dom)).await
    }

    /// Asks whether the store is connected to a domain.
    ///
    /// # Errors
    /// As for [`Client::is_introduced`](crate::Client::is_introduced).
    #[doc(alias = "xs_is_domain_introduced")]
    pub async fn is_introduced(&self, dom: DomId) -> Result<bool> {
        self.put(ask::is_introduced(dom)).await
    }

    /// What the store offers the caller; Xen 4.21.
    ///
    /// # Errors
    /// As for [`Client::features`](crate::Client::features).
    #[doc(alias = "xs_get_features_supported")]
    pub async fn features(&self) -> Result<Features> {
        self.put_pushed(ask::features()).await
    }

    /// What the store offers a domain; Xen 4.21.
    ///
    /// # Errors
    /// As for [`Client::features_of`](crate::Client::features_of).
    #[doc(alias = "xs_get_features_domain")]
    pub async fn features_of(&self, dom: DomId) -> Result<Features> {
        self.put(ask::features_of(dom)).await
    }

    /// Says what the store offers a domain; Xen 4.21.
    ///
    /// # Errors
    /// As for [`Client::set_features`](crate::Client::set_features).
    #[doc(alias = "xs_set_features_domain")]
    pub async fn set_features(&self, dom: DomId, features: Features) -> Result<()> {
        self.put(ask::set_features(dom, features)).await
    }

    /// The names of the quotas that the store has; Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::quotas`](crate::Client::quotas).
    #[doc(alias = "xs_get_quota_names")]
    pub async fn quotas(&self) -> Result<Vec<String>> {
        self.put_pushed(ask::quotas()).await
    }

    /// What a domain may use, or what domains begin with; Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::quota`](crate::Client::quota).
    #[doc(alias = "xs_get_domain_quota")]
    #[doc(alias = "xs_get_global_quota")]
    pub async fn quota(&self, name: &str, dom: Option<DomId>) -> Result<u32> {
        self.put(ask::quota(name, dom)).await
    }

    /// Says what a domain may use, or what domains begin with; Xen 4.22.
    ///
    /// # Errors
    /// As for [`Client::set_quota`](crate::Client::set_quota).
    #[doc(alias = "xs_set_domain_quota")]
    #[doc(alias = "xs_set_global_quota")]
    pub async fn set_quota(&self, name: &str, dom: Option<DomId>, value: u32) -> Result<()> {
        self.put(ask::set_quota(name, dom, value)).await
    }

    /// Gives the daemon a command, and returns what it says.
    ///
    /// # Errors
    /// As for [`Client::control`](crate::Client::control).
    #[doc(alias = "xs_control_command")]
    #[doc(alias = "xs_debug_command")]
    pub async fn control(&self, command: &[&str]) -> Result<String> {
        self.put(ask::control(command)).await
    }

    /// Ends all watches and transactions of the caller's domain.
    ///
    /// # Errors
    /// As for [`Client::reset_watches`](crate::Client::reset_watches).
    pub async fn reset_watches(&self) -> Result<()> {
        self.put(ask::reset_watches()).await
    }

    /// Puts a question that may not be answered before more bytes arrive, and sends some.
    async fn put_pushed<T>(&self, ask: Ask<'_, T>) -> Result<T> {
        let mut outcomes = self.flight(&[*ask.request(), ask::PUSH], TxId::NONE).await;
        ask.answered(outcomes.swap_remove(0))
    }
}
