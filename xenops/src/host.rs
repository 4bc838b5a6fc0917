//! The handles of one host.

use std::sync::{Arc, OnceLock};

use xc::Xc;
use xen_types::Deadline;
use xg::Xg;
use xs::Client;

use crate::error::{Cause, Error, Result, Subject};
use crate::limits::Limits;

/// A Xen host, seen from its control domain. Cheap to clone, to share and to send to threads.
#[derive(Debug, Clone)]
pub struct Host {
    pub(crate) store: Client,
    pub(crate) xc: Xc,
    builder: Arc<OnceLock<Xg>>,
}

impl Host {
    /// Connects to the hypervisor and to the local xenstored.
    ///
    /// # Errors
    /// [`crate::Kind::Unavailable`] when this is not the control domain of a Xen host, when the
    /// libraries of the running Xen are missing, or when xenstored does not answer;
    /// [`crate::Kind::Denied`] without the rights.
    pub fn open() -> Result<Self> {
        let fail = |cause: Cause| Error::new("open the Xen host", Subject::Host, cause);
        let xc = Xc::open().map_err(|error| fail(error.into()))?;
        let store = Client::open().map_err(|error| fail(error.into()))?;
        Ok(Self { store, xc, builder: Arc::default() })
    }

    /// A host of handles that the caller opened.
    pub fn from_parts(store: Client, xc: Xc, builder: Xg) -> Self {
        Self { store, xc, builder: Arc::new(OnceLock::from(builder)) }
    }

    /// The connection to the xenstore.
    pub fn store(&self) -> &Client {
        &self.store
    }

    /// The hypervisor handle.
    pub fn xc(&self) -> &Xc {
        &self.xc
    }

    /// The same host, whose every request to the store ends at `deadline`.
    ///
    /// Without it a request may take 30 s. Operations with [`Limits`] bound their requests by
    /// themselves; this is for looking things up.
    #[must_use]
    pub fn with_deadline(&self, deadline: Deadline) -> Self {
        Self { store: self.store.with_deadline(deadline), ..self.clone() }
    }

    pub(crate) fn within(&self, limits: &Limits) -> Self {
        self.with_deadline(limits.deadline)
    }

    /// The domain builder. Its library is loaded with the first creation only, so that everything
    /// else works on a host that lacks it.
    pub(crate) fn builder(&self) -> Result<&Xg, xg::Error> {
        if let Some(builder) = self.builder.get() {
            return Ok(builder);
        }
        let opened = Xg::open(&self.xc)?;
        Ok(self.builder.get_or_init(|| opened))
    }
}
