//! Answers given beforehand, for unit tests. Not a simulation: nothing follows from anything.

use std::sync::Mutex;

use xen_types::{DomId, KiB};

use super::{
    CallError, CreateDomain, DeviceCalls, DomainCalls, DomainInfo, E820Entry, EventCalls,
    FlaskCalls, HostCalls, HvmCalls, Hypervisor, MemoryCalls, PhysInfo, Release, SchedulerCalls,
    VcpuCalls,
};

/// Answers questions from its fields and notes every other call as text.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) release: Release,
    pub(crate) version: u32,
    pub(crate) extra: &'static [u8],
    pub(crate) host: PhysInfo,
    pub(crate) domains: Vec<DomainInfo>,
    /// What `domain_create` returns.
    pub(crate) created: u32,
    pub(crate) paging_mempool: Option<u64>,
    /// How many extents are done of those asked for.
    pub(crate) done: usize,
    pub(crate) calls: Mutex<Vec<String>>,
}

impl Default for Fake {
    fn default() -> Self {
        Self {
            release: Release::new(4, 17),
            version: 0x0004_0011,
            extra: b".5",
            host: PhysInfo {
                nr_cpus: 2,
                total_pages: 786_000,
                free_pages: 500_000,
                max_mfn: 0xc_0000,
                ..Default::default()
            },
            domains: vec![DomainInfo::default()],
            created: 1,
            paging_mempool: Some(0),
            done: 0,
            calls: Mutex::default(),
        }
    }
}

impl Fake {
    pub(crate) fn with_domains(domains: Vec<DomainInfo>) -> Self {
        Self { domains, ..Self::default() }
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn note(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Hypervisor for Fake {
    fn release(&self) -> Release {
        self.release
    }
}

impl HostCalls for Fake {
    fn version(&self) -> Result<u32, CallError> {
        Ok(self.version)
    }

    fn extra_version(&self) -> Result<Vec<u8>, CallError> {
        Ok(self.extra.to_vec())
    }

    fn physinfo(&self) -> Result<PhysInfo, CallError> {
        Ok(self.host)
    }
}

impl DomainCalls for Fake {
    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Result<u32, CallError> {
        self.note(format!("domain_create {domid:#x} {:#x}", config.flags));
        Ok(self.created)
    }

    fn domain_destroy(&self, dom: DomId) -> Result<(), CallError> {
        self.note(format!("domain_destroy {dom}"));
        Ok(())
    }

    fn domain_shutdown(&self, dom: DomId, reason: i32) -> Result<(), CallError> {
        self.note(format!("domain_shutdown {dom} {reason}"));
        Ok(())
    }

    fn domain_getinfolist(&self, first: u32, max: u32) -> Result<Vec<DomainInfo>, CallError> {
        let from = self.domains.iter().filter(|d| u32::from(d.domain) >= first);
        Ok(from.take(max as usize).copied().collect())
    }
}

impl MemoryCalls for Fake {
    fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> Result<(), CallError> {
        self.note(format!("domain_setmaxmem {dom} {max}"));
        Ok(())
    }

    fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        self.note(format!("domain_set_memory_map {dom} {map:?}"));
        Ok(())
    }

    fn get_paging_mempool_size(&self, _: DomId) -> Result<u64, CallError> {
        let call = "xc_get_paging_mempool_size";
        self.paging_mempool.ok_or(CallError::Unsupported { call, xen: self.release })
    }

    fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> Result<(), CallError> {
        self.get_paging_mempool_size(dom)?;
        self.note(format!("set_paging_mempool_size {dom} {bytes}"));
        Ok(())
    }

    fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> Result<u32, CallError> {
        self.note(format!("shadow_control {dom} {operation} {mib}"));
        Ok(mib.max(3))
    }

    /// As for PV: the frames done become others.
    fn domain_populate_physmap(
        &self,
        _: DomId,
        _: u32,
        _: u32,
        extents: &mut [u64],
    ) -> Result<usize, CallError> {
        extents[..self.done].iter_mut().for_each(|frame| *frame += 0x1000);
        Ok(self.done)
    }

    /// As for HVM: no frame is told.
    fn domain_increase_reservation(
        &self,
        _: DomId,
        _: u32,
        _: u32,
        _: &mut [u64],
    ) -> Result<usize, CallError> {
        Ok(self.done)
    }

    fn domain_decrease_reservation(
        &self,
        _: DomId,
        _: u32,
        _: &mut [u64],
    ) -> Result<usize, CallError> {
        Ok(self.done)
    }
}

impl VcpuCalls for Fake {}
impl SchedulerCalls for Fake {}
impl EventCalls for Fake {}
impl HvmCalls for Fake {}
impl DeviceCalls for Fake {}
impl FlaskCalls for Fake {}
