//! libxenctrl behind a gate.

use std::sync::Arc;

use rustix::io::Errno;
use xc::Xc;
use xc::backend::{
    CallError, CreateDomain, DeviceCalls, DomainCalls, DomainInfo, E820Entry, EventCalls,
    FlaskCalls, HostCalls, HvmCalls, Hypervisor, LibXenCtrl, MemoryCalls, PhysInfo, Release,
    SchedulerCalls, VcpuCalls,
};
use xen_types::{DomId, KiB, Port};

use super::Gate;

/// A hypervisor handle whose calls pass a gate.
#[derive(Debug)]
pub(crate) struct FaultyHypervisor {
    gate: Arc<Gate>,
    real: LibXenCtrl,
}

impl FaultyHypervisor {
    /// Opens the running hypervisor.
    pub(crate) fn open(gate: &Arc<Gate>) -> Xc {
        let xc = Xc::open().expect("Xen runs");
        let library = Arc::clone(xc.library().expect("it is the real one"));
        let real = LibXenCtrl::open(library).expect("open it once more");
        Xc::with_backend(Arc::new(Self { gate: Arc::clone(gate), real }))
    }
}

macro_rules! calls {
    ($($subject:ident { $(fn $call:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)* })*) => {
        $(impl $subject for FaultyHypervisor {
            $(fn $call(&self $(, $argument: $type)*) -> Result<$answer, CallError> {
                let call = || self.real.$call($($argument),*);
                self.gate.pass(stringify!($call), Errno::IO.into(), call)
            })*
        })*
    };
}

impl Hypervisor for FaultyHypervisor {
    fn release(&self) -> Release {
        self.real.release()
    }
}

// The calls that xenops makes; others fail as unsupported.
calls! {
    HostCalls {
        fn version(&self) -> u32;
        fn extra_version(&self) -> Vec<u8>;
        fn physinfo(&self) -> PhysInfo;
    }
    DomainCalls {
        fn domain_create(&self, domid: u32, config: &CreateDomain) -> u32;
        fn domain_destroy(&self, dom: DomId) -> ();
        fn domain_pause(&self, dom: DomId) -> ();
        fn domain_unpause(&self, dom: DomId) -> ();
        fn domain_shutdown(&self, dom: DomId, reason: i32) -> ();
        fn domain_getinfolist(&self, first: u32, max: u32) -> Vec<DomainInfo>;
        fn domain_sethandle(&self, dom: DomId, handle: [u8; 16]) -> ();
        fn domain_set_tsc_info(
            &self, dom: DomId, mode: u32, elapsed: u64, khz: u32, incarnation: u32
        ) -> ();
    }
    MemoryCalls {
        fn domain_setmaxmem(&self, dom: DomId, max: KiB) -> ();
        fn domain_set_memmap_limit(&self, dom: DomId, limit: KiB) -> ();
        fn domain_set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> ();
        fn domain_claim_pages(&self, dom: DomId, pages: u64) -> ();
        fn get_paging_mempool_size(&self, dom: DomId) -> u64;
        fn set_paging_mempool_size(&self, dom: DomId, bytes: u64) -> ();
        fn shadow_control(&self, dom: DomId, operation: u32, mib: u32) -> u32;
    }
    VcpuCalls {
        fn domain_max_vcpus(&self, dom: DomId, max: u32) -> ();
    }
    EventCalls {
        fn evtchn_alloc_unbound(&self, dom: DomId, remote: DomId) -> Port;
    }
    HvmCalls {
        fn hvm_param_get(&self, dom: DomId, param: u32) -> u64;
        fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> ();
    }
    SchedulerCalls {}
    DeviceCalls {}
    FlaskCalls {}
}
