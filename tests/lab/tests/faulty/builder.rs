//! libxenguest behind a gate.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::io::Errno;
use xc::{E820Entry, Release, Xc};
use xen_types::{DomId, Gfn, Mfn, PageCount, Port};
use xg::Xg;
use xg::backend::PolicyCalls;
use xg::backend::{
    Backend, CallError, Container, Content, DumpCalls, Hypervisor, Image, LibXenGuest, ResumeCalls,
    SaveCalls,
};

use super::Gate;

/// A domain builder whose calls pass a gate.
#[derive(Debug)]
pub(crate) struct FaultyBuilder {
    gate: Arc<Gate>,
    real: LibXenGuest,
}

impl FaultyBuilder {
    /// Opens the builder of the running hypervisor.
    pub(crate) fn open(xc: &Xc, gate: &Arc<Gate>) -> Xg {
        let real = LibXenGuest::open(xc.release()).expect("open the domain builder");
        Xg::with_backend(Arc::new(Self { gate: Arc::clone(gate), real }))
    }
}

fn failure() -> CallError {
    CallError::Failed { errno: Some(Errno::IO), said: Vec::new() }
}

impl Hypervisor for FaultyBuilder {
    fn release(&self) -> Release {
        self.real.release()
    }
}

impl PolicyCalls for FaultyBuilder {}
impl DumpCalls for FaultyBuilder {}
impl ResumeCalls for FaultyBuilder {}
impl SaveCalls for FaultyBuilder {}

impl Backend for FaultyBuilder {
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        let call = || self.real.allocate(cmdline, features);
        let real = self.gate.pass("allocate", failure(), call)?;
        Ok(Box::new(FaultyImage { gate: &self.gate, real }))
    }

    fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<(), CallError> {
        let call = || self.real.set_memory_map(dom, map);
        self.gate.pass("set_memory_map", failure(), call)
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        let call = || self.real.hvm_param_set(dom, param, value);
        self.gate.pass("hvm_param_set", failure(), call)
    }

    fn cpuid_apply_policy(
        &self,
        dom: DomId,
        restore: bool,
        itsc: bool,
        nested_virt: bool,
    ) -> Result<(), CallError> {
        let call = || self.real.cpuid_apply_policy(dom, restore, itsc, nested_virt);
        self.gate.pass("cpuid_apply_policy", failure(), call)
    }
}

#[derive(Debug)]
struct FaultyImage<'a> {
    gate: &'a Gate,
    real: Box<dyn Image + 'a>,
}

macro_rules! fields {
    ($(fn $set:ident(&mut self $(, $argument:ident: $type:ty)*);)*) => {
        $(fn $set(&mut self $(, $argument: $type)*) {
            self.real.$set($($argument),*);
        })*
    };
}

macro_rules! calls {
    ($(fn $call:ident(&mut self $(, $argument:ident: $type:ty)*);)*) => {
        $(fn $call(&mut self $(, $argument: $type)*) -> Result<(), CallError> {
            let call = || self.real.$call($($argument),*);
            self.gate.pass(stringify!($call), failure(), call)
        })*
    };
}

impl Image for FaultyImage<'_> {
    fields! {
        fn set_container_type(&mut self, container: Container);
        fn set_flags(&mut self, flags: u64);
        fn set_console(&mut self, port: Port, domain: DomId);
        fn set_xenstore(&mut self, port: Port, domain: DomId);
        fn set_claim_enabled(&mut self, claim: bool);
        fn set_max_vcpus(&mut self, vcpus: u32);
        fn set_target_pages(&mut self, pages: PageCount);
        fn set_mmio(&mut self, start: u64, size: u64);
        fn set_lowmem_end(&mut self, end: u64);
        fn set_highmem_end(&mut self, end: u64);
        fn set_vga_hole_size(&mut self, pages: PageCount);
        fn set_device_model(&mut self, device_model: bool);
        fn set_system_firmware_module(&mut self, module: Arc<Content>);
        fn set_acpi_module(&mut self, module: Vec<u8>, address: u64);
        fn set_smbios_module(&mut self, module: Arc<Content>);
        fn set_e820(&mut self, map: &[E820Entry]);
    }

    calls! {
        fn kernel_mem(&mut self, kernel: Arc<Content>);
        fn module_mem(&mut self, module: Arc<Content>);
        fn boot_xen_init(&mut self, dom: DomId);
        fn parse_image(&mut self);
        fn mem_init(&mut self, mib: u32);
        fn boot_mem_init(&mut self);
        fn build_image(&mut self);
        fn boot_image(&mut self);
        fn gnttab_init(&mut self);
    }

    fn console_pfn(&self) -> Gfn {
        self.real.console_pfn()
    }

    fn xenstore_pfn(&self) -> Gfn {
        self.real.xenstore_pfn()
    }

    fn acpi_module_guest_addr(&self) -> u64 {
        self.real.acpi_module_guest_addr()
    }

    fn smbios_module_guest_addr(&self) -> u64 {
        self.real.smbios_module_guest_addr()
    }

    fn pv_p2m(&self, gfn: Gfn) -> Option<Mfn> {
        self.real.pv_p2m(gfn)
    }
}
