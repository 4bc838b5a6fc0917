//! CPU pools: groups of processors, each with a scheduler and domains of its own.

use rustix::io::Errno;
use xen_types::DomId;
use xenctrl_sys::XC_CPUPOOL_POOLID_ANY;

use super::Scheduler;
use crate::backend::{CallError, PoolInfo};
use crate::{CpuSet, Error, Result, Xc};

/// A CPU pool at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CpuPool {
    /// Its number; 0 is there from boot on, has processor 0 and cannot be destroyed.
    pub id: u32,
    /// Its scheduler.
    pub scheduler: Scheduler,
    /// How many domains run in it.
    pub domains: u32,
    /// Its processors.
    pub cpus: CpuSet,
}

impl CpuPool {
    fn from_raw(raw: &PoolInfo) -> Result<Self, CallError> {
        Ok(Self {
            id: raw.cpupool_id,
            scheduler: Scheduler::from(raw.sched_id),
            domains: raw.n_dom,
            cpus: CpuSet::answered(&raw.cpumap, "xc_cpupool_getinfo")?,
        })
    }
}

/// All CPU pools, in order of their ids: see [`Xc::cpupools`].
#[derive(Debug)]
pub struct CpuPools<'a> {
    xc: &'a Xc,
    next: Option<u32>,
}

impl Iterator for CpuPools<'_> {
    type Item = Result<CpuPool>;

    fn next(&mut self) -> Option<Self::Item> {
        let fail = |e| Error::new("list the CPU pools", e);
        let from = self.next.take()?;
        match self.xc.backend.cpupool_getinfo(from) {
            Ok(raw) => {
                // An id before the one asked for would have this go on for ever.
                self.next = raw.cpupool_id.max(from).checked_add(1);
                Some(CpuPool::from_raw(&raw).map_err(fail))
            }
            Err(CallError::Errno(Errno::NOENT)) => None,
            Err(e) => Some(Err(fail(e))),
        }
    }
}

impl std::iter::FusedIterator for CpuPools<'_> {}

impl Xc {
    /// All CPU pools, in order of their ids: one hypercall each, so that one created or destroyed
    /// meanwhile may or may not be among them. Ends after an error.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_cpupool_getinfo")]
    pub fn cpupools(&self) -> CpuPools<'_> {
        CpuPools { xc: self, next: Some(0) }
    }

    /// One CPU pool.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_cpupool_getinfo")]
    pub fn cpupool(&self, pool: u32) -> Result<CpuPool> {
        let fail = |e| Error::new(format!("read the state of pool {pool}"), e);
        let found = self.backend.cpupool_getinfo(pool).map_err(fail)?;
        // The call gives the next pool for one that does not exist.
        if found.cpupool_id != pool {
            return Err(fail(Errno::NOENT.into()));
        }
        CpuPool::from_raw(&found).map_err(fail)
    }

    /// Creates a CPU pool without processors, with the given id or a free one, which is returned.
    ///
    /// # Errors
    /// [`Kind::Exists`](crate::Kind::Exists) if there is such a pool,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if this Xen was built without the scheduler,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if there are twice as many pools as processors.
    #[doc(alias = "xc_cpupool_create")]
    pub fn create_cpupool(&self, scheduler: Scheduler, id: Option<u32>) -> Result<u32> {
        let wanted = id.unwrap_or(XC_CPUPOOL_POOLID_ANY);
        self.backend.cpupool_create(wanted, scheduler.raw()).map_err(|e| {
            let which = id.map_or_else(|| "a pool".to_owned(), |id| format!("pool {id}"));
            Error::new(format!("create {which} under {scheduler}"), e)
        })
    }

    /// Destroys a CPU pool.
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::Kind::Busy) if it has processors or domains, as pool 0 always has,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool.
    #[doc(alias = "xc_cpupool_destroy")]
    pub fn destroy_cpupool(&self, pool: u32) -> Result<()> {
        self.backend
            .cpupool_destroy(pool)
            .map_err(|e| Error::new(format!("destroy pool {pool}"), e))
    }

    /// Gives a processor that is in no pool to one; `None` for any such processor.
    ///
    /// Processors that join and leave a pool under credit while the host runs can hang it. Observed on
    /// 4.17 and 4.20 in QEMU, with `xl` too, within a dozen rounds: both processors spin in Xen for
    /// ever. Under credit2 60 rounds went well on each.
    ///
    /// With [`sched-gran`](https://xenbits.xen.org/docs/unstable/misc/xen-command-line.html) of more
    /// than a processor, its siblings come with it.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if the processor is in a pool or offline, or
    /// there is none; [`Kind::NotFound`](crate::Kind::NotFound) if there is no such pool;
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a number that no processor can have.
    #[doc(alias = "xc_cpupool_addcpu")]
    pub fn add_to_cpupool(&self, pool: u32, cpu: Option<u16>) -> Result<()> {
        self.backend
            .cpupool_addcpu(pool, cpu.map_or(ANY_CPU, i32::from))
            .map_err(|e| Error::new(format!("add {} to pool {pool}", processor(cpu)), e))
    }

    /// Takes a processor from a pool; `None` for its last one. It is in no pool then.
    ///
    /// libxc tries five times while a domain has pinned itself to the processor, and as long as it
    /// takes while Xen asks for patience.
    ///
    /// # Errors
    /// [`Kind::Busy`](crate::Kind::Busy) if it is the last processor of a pool with domains, or a
    /// domain has pinned itself to it; [`Kind::NotFound`](crate::Kind::NotFound) if there is no such
    /// pool, the processor is in another, or a removal is going on;
    /// [`Kind::Invalid`](crate::Kind::Invalid) for processor 0 of pool 0, for one that is offline,
    /// and for a number that no processor can have.
    #[doc(alias = "xc_cpupool_removecpu")]
    pub fn remove_from_cpupool(&self, pool: u32, cpu: Option<u16>) -> Result<()> {
        self.backend
            .cpupool_removecpu(pool, cpu.map_or(ANY_CPU, i32::from))
            .map_err(|e| Error::new(format!("take {} from pool {pool}", processor(cpu)), e))
    }

    /// Moves `dom` to a pool. Its virtual CPUs start anew there: with the defaults of the pool's
    /// scheduler, and without affinities (`sched_move_domain`, `xen/common/sched/core.c`).
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone, there is no such pool, or it has
    /// no processors; [`Kind::Busy`](crate::Kind::Busy) while `dom` has pinned itself to a processor;
    /// [`Kind::Denied`](crate::Kind::Denied) for the caller's own domain.
    #[doc(alias = "xc_cpupool_movedomain")]
    pub fn move_to_cpupool(&self, dom: DomId, pool: u32) -> Result<()> {
        self.backend
            .cpupool_movedomain(pool, dom)
            .map_err(|e| Error::on(format!("move to pool {pool}"), dom, e))
    }

    /// The processors that are in no pool.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_cpupool_freeinfo")]
    pub fn free_cpus(&self) -> Result<CpuSet> {
        let map = self.backend.cpupool_freeinfo();
        map.and_then(|map| CpuSet::answered(&map, "xc_cpupool_freeinfo"))
            .map_err(|e| Error::new("list the processors without a pool", e))
    }
}

fn processor(cpu: Option<u16>) -> String {
    cpu.map_or_else(|| "any processor".to_owned(), |cpu| format!("processor {cpu}"))
}

/// libxc takes a negative number for any processor.
const ANY_CPU: i32 = -1;
