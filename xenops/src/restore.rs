//! Restoring a domain: its creation, with a stream in the place of a kernel.

use std::os::fd::BorrowedFd;

use xen_types::DomId;

use crate::config::DomainConfig;
use crate::create::{Content, CreateOptions};
use crate::error::{Cause, Error, Problem, Result, Subject};
use crate::host::Host;
use crate::limits::Limits;

impl Host {
    /// Creates a domain that is what [`Host::save`] wrote, and, unless asked otherwise, lets it
    /// run.
    ///
    /// `config` is that of the saved domain, whose kernel, ramdisk and command line are not looked
    /// at: with as many virtual CPUs and as much memory. The name may be another one, and must be
    /// if the saved domain is still there. The stream is read to its end and not looked at before,
    /// so a broken one costs a domain, which is taken away again; a bit that flipped in the guest's
    /// memory is not noticed.
    ///
    /// The limits are looked at between the steps, and when the head of the stream has been read.
    /// The reading of a pipe or socket is ended by whoever has its other end.
    ///
    /// # Errors
    /// Whatever fails, all that was made is taken away again; [`Error::leftovers`] names what could
    /// not be. [`crate::Kind::Invalid`] for a network interface without the address that the saved
    /// domain had: the guest goes on with that one. [`crate::Kind::Exists`] for a name in use, [`crate::Kind::NoMemory`] when the host
    /// lacks memory; with libxenguest's words for a stream that cannot be.
    pub fn restore(
        &self,
        from: BorrowedFd<'_>,
        config: &DomainConfig,
        options: CreateOptions,
        limits: &Limits,
    ) -> Result<DomId> {
        let fail = |cause: Cause| Error::new("restore", Subject::Name(config.name.clone()), cause);
        config
            .check()
            .and_then(|()| check_addresses(config))
            .map_err(|problem| fail(problem.into()))?;
        self.make(config, Content::Saved { from, limits }, options, limits, &fail)
    }
}

/// A guest goes on with the addresses that it was saved with: a random one would be another.
fn check_addresses(config: &DomainConfig) -> Result<(), Problem> {
    if config.vif.iter().any(|vif| vif.mac.is_none()) {
        let why = "is missing: a guest is restored with the address that it was saved with";
        return Err(Problem::Config { key: "vif.mac", why });
    }
    Ok(())
}
