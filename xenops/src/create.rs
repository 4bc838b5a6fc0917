//! Creating a domain: a plan of steps, and the undo of what they made.
//!
//! ```text
//! before anything exists   config ─ images ─ name claim ─ name and UUID free? ─ memory free?
//! plan, in this order      domain ─ shape ─ channels ─ skeleton ─ fill ─ publish ─ introduce ─ devices ─ run
//! on a failure             devices go, the domain, then its nodes, the last ones first
//! ```
//!
//! What a step may have made is noted before it is sure, because a call that failed may still have
//! done its work: a reply that was lost, a daemon that died after the commit. So an undo takes "not
//! there" for success.

mod images;
mod skeleton;
mod steps;

use xc::{Capabilities, PhysInfo};
use xen_types::{DomId, PageCount};

use self::images::Images;
pub(crate) use self::steps::Content;
use self::steps::{Creation, PLAN};
use crate::config::DomainConfig;
use crate::error::{Cause, Error, Problem, Result, Subject};
use crate::host::Host;
use crate::limits::Limits;
use crate::lock::Lock;
use crate::memory::{Footprint, footprint};

/// What a caller may choose about a creation, apart from the domain itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CreateOptions {
    /// Leave the domain paused, ready to run.
    pub paused: bool,
}

impl Host {
    /// Creates a domain and, unless asked otherwise, lets it run.
    ///
    /// A compressed kernel is unpacked once for all guests: see [`Host::with_kernel_cache`].
    ///
    /// # Errors
    /// Whatever fails, all that was made is taken away again; [`Error::leftovers`] names what could
    /// not be. [`crate::Kind::Exists`] for a name in use, [`crate::Kind::NoMemory`] when the host
    /// lacks memory, [`crate::Kind::Invalid`] for a kernel that cannot be built and for a disk whose target
    /// is not of the type that was said.
    pub fn create(
        &self,
        config: &DomainConfig,
        options: CreateOptions,
        limits: &Limits,
    ) -> Result<DomId> {
        let fail = |cause: Cause| Error::new("create", Subject::Name(config.name.clone()), cause);
        config.check().map_err(|problem| fail(problem.into()))?;
        let images = Images::load(config, &self.kernels).map_err(|error| fail(error.into()))?;
        self.make(config, Content::Boot(images), options, limits, &fail)
    }

    /// Makes a domain of this content, as the plan has it.
    pub(crate) fn make(
        &self,
        config: &DomainConfig,
        content: Content<'_>,
        options: CreateOptions,
        limits: &Limits,
        fail: &dyn Fn(Cause) -> Error,
    ) -> Result<DomId> {
        let physical = self.xc.physinfo().map_err(|error| fail(error.into()))?;
        let hap = physical.capabilities.contains(Capabilities::HAP);
        let memory = footprint(config.kind, config.memory, config.vcpus, hap);
        let host = self.within(limits);
        host.check_targets(config).map_err(fail)?;
        let claim = Lock::of_names(&self.locks, limits).map_err(fail)?;
        host.check_unique(config).map_err(fail)?;
        check_free_memory(&physical, memory).map_err(|problem| fail(problem.into()))?;

        let mut creation = Creation::new(host, limits, config, content, memory, claim);
        let plan = if options.paused { &PLAN[..PLAN.len() - 1] } else { &PLAN };
        for step in plan {
            tracing::debug!(?step, name = config.name, "make a domain");
            let taken =
                limits.check_time().map_err(Cause::from).and_then(|()| creation.take(*step));
            if let Err(mut cause) = taken {
                let of_device = cause.take_leftovers();
                return Err(fail(cause).with_leftovers(creation.undo(of_device)));
            }
        }
        Ok(creation.dom())
    }

    /// The name and the UUID must be nobody's. The caller holds the name claim.
    fn check_unique(&self, config: &DomainConfig) -> Result<(), Cause> {
        for domain in self.xc.domains()? {
            if config.uuid == Some(domain.uuid) {
                return Err(Problem::UuidTaken(domain.id).into());
            }
            if self.name(domain.id)?.as_deref() == Some(config.name.as_str()) {
                return Err(Problem::NameTaken(domain.id).into());
            }
        }
        Ok(())
    }
}

/// A creation that cannot succeed is refused before it costs anything. Another one may take the
/// memory in between: then the build fails and is undone.
fn check_free_memory(host: &PhysInfo, memory: Footprint) -> Result<(), Problem> {
    // Pages that wait to be scrubbed are free, pages that another domain has claimed are not.
    let pages = host.free.get().saturating_add(host.scrub.get());
    let free = PageCount(pages.saturating_sub(host.outstanding.get())).to_mib_down();
    if free < memory.need {
        return Err(Problem::NotEnoughMemory { need: memory.need, free });
    }
    Ok(())
}
