//! The domain builder: libxenguest's calls, as far as they change the machine.
//!
//! It populates the domain as libxenguest does and sets its first virtual CPU up; what kernel and
//! ramdisk hold is not looked at, since no guest's code runs. The kernel that starts is the script
//! of `guest.rs`.

use std::ffi::CStr;
use std::sync::Arc;

use rustix::io::Errno;
use xc::{E820Entry, HvmParam, Release};
use xen_types::{DomId, Gfn, Mfn, PageCount, Port};
use xg::backend::{
    Backend, CallError, Container, Content, DumpCalls, Hypervisor, Image, PolicyCalls, ResumeCalls,
};

use crate::guest::Boot;
use crate::process::{OpenDevice, Process};
use crate::xen::{Outcome, Xen};

/// An open builder of a process.
#[derive(Debug)]
pub(crate) struct Builder {
    pub(crate) process: Arc<Process>,
    _device: OpenDevice,
    release: Release,
}

impl Builder {
    pub(crate) fn open(process: Arc<Process>) -> Self {
        let release = process.machine().xen(|xen| xen.release);
        let _device = OpenDevice::of(&process, "/dev/xen/privcmd");
        Self { process, _device, release }
    }

    pub(crate) fn call<T>(
        &self,
        name: &'static str,
        call: impl FnOnce(&mut Xen) -> Outcome<T>,
    ) -> Result<T, CallError> {
        self.process.pass(name, failed, || self.process.machine().xen(call).map_err(failed))
    }
}

/// What a call comes to that set this error number.
pub(crate) fn failed(errno: Errno) -> CallError {
    CallError::Failed { errno: Some(errno), said: Vec::new() }
}

impl Hypervisor for Builder {
    fn release(&self) -> Release {
        self.release
    }
}

impl PolicyCalls for Builder {}
impl DumpCalls for Builder {}

impl ResumeCalls for Builder {
    fn domain_resume(&self, dom: DomId, _fast: bool) -> Result<(), CallError> {
        self.call("xc_domain_resume", |xen| xen.resume(dom))
    }
}

impl Backend for Builder {
    fn allocate<'a>(
        &'a self,
        cmdline: &CStr,
        _features: Option<&CStr>,
    ) -> Result<Box<dyn Image + 'a>, CallError> {
        let building = Building::new(self, cmdline.to_bytes());
        self.call("xc_dom_allocate", |_| Ok(()))?;
        Ok(Box::new(building))
    }

    fn set_memory_map(&self, dom: DomId, _map: &[E820Entry]) -> Result<(), CallError> {
        self.call("xc_domain_set_memory_map", |xen| xen.dom(dom).map(drop))
    }

    fn hvm_param_set(&self, dom: DomId, param: u32, value: u64) -> Result<(), CallError> {
        self.call("xc_hvm_param_set", |xen| xen.set_hvm_param(dom, param, value))
    }

    fn cpuid_apply_policy(&self, dom: DomId, _: bool, _: bool, _: bool) -> Result<(), CallError> {
        self.call("xc_cpuid_apply_policy", |xen| xen.dom(dom).map(drop))
    }
}

/// A domain under construction.
#[derive(Debug)]
struct Building<'a> {
    builder: &'a Builder,
    command_line: Vec<u8>,
    container: Container,
    claim: bool,
    store: Port,
    console: Port,
    dom: Option<DomId>,
    /// What the guest's memory is to be, or is to grow to.
    pages: u64,
    /// What of it is populated.
    target: Option<PageCount>,
    low_end: u64,
    /// The frames of a PV domain, by its own numbers.
    p2m: Vec<u64>,
}

impl<'a> Building<'a> {
    fn new(builder: &'a Builder, command_line: &[u8]) -> Self {
        Self {
            builder,
            command_line: command_line.into(),
            container: Container::Pv,
            claim: false,
            store: Port(0),
            console: Port(0),
            dom: None,
            pages: 0,
            target: None,
            low_end: u64::MAX,
            p2m: Vec::new(),
        }
    }

    fn step(
        &self,
        name: &'static str,
        step: impl FnOnce(&mut Xen, DomId) -> Outcome<()>,
    ) -> Result<(), CallError> {
        let dom = self.dom;
        self.builder.call(name, |xen| step(xen, dom.ok_or(Errno::INVAL)?))
    }

    /// `meminit_hvm` (`tools/libs/guest/xg_dom_x86.c`): low memory, then what is above the hole,
    /// with entries on demand if the guest is to grow; and the special pages.
    fn populate_hvm(&self, xen: &mut Xen, dom: DomId) -> Outcome<()> {
        let target = self.target.map_or(self.pages, PageCount::get);
        let low = self.pages.min(self.low_end / PAGE);
        let below = 0..low;
        let above = FOUR_GIB..FOUR_GIB + (self.pages - low);
        if target < self.pages {
            xen.set_pod_target(dom, target)?;
        }
        let flags = if target < self.pages { ON_DEMAND } else { 0 };
        for gfn in below.chain(above) {
            exactly(xen.populate(dom, 0, flags, &mut [gfn]), 1)?;
        }
        let mut special: Vec<u64> = (SPECIAL..SPECIAL + SPECIAL_PAGES).collect();
        let count = special.len();
        exactly(xen.populate(dom, 0, 0, &mut special), count)
    }

    fn populate_pv(&mut self) -> Result<(), CallError> {
        let pages = usize::try_from(self.pages).unwrap_or(usize::MAX);
        let mut frames: Vec<u64> = (0..self.pages).collect();
        self.step("xc_dom_boot_mem_init", |xen, dom| {
            claimed(xen, dom, self.claim, self.pages, |xen| {
                exactly(xen.populate(dom, 0, 0, &mut frames), pages)
            })
        })?;
        self.p2m = frames;
        Ok(())
    }

    /// The machine frame of the ring to the store.
    fn ring(&self, xen: &mut Xen, dom: DomId) -> Outcome<u64> {
        match self.container {
            Container::Pv => self.pv_p2m(self.xenstore_pfn()).map(|Mfn(frame)| frame),
            Container::Hvm => xen.dom(dom)?.memory.physmap.page(self.xenstore_pfn().0),
        }
        .ok_or(Errno::INVAL)
    }
}

impl Building<'_> {
    /// Writes the page that the kernel starts from.
    fn write_start(&self, xen: &mut Xen, dom: DomId) -> Outcome<()> {
        let (Gfn(store), Gfn(console)) = (self.xenstore_pfn(), self.console_pfn());
        let (start, page) = match self.container {
            Container::Pv => (self.pages.saturating_sub(3), None),
            Container::Hvm => (SPECIAL, xen.dom(dom)?.memory.physmap.page(SPECIAL)),
        };
        let page = page.or_else(|| self.pv_p2m(Gfn(start)).map(|Mfn(frame)| frame));
        let page = xen.content(page.ok_or(Errno::INVAL)?);
        page.write(start::STORE, &store.to_le_bytes());
        page.write(start::CONSOLE, &console.to_le_bytes());
        let line = &self.command_line;
        page.write(start::COMMAND_LINE, &line[..line.len().min(start::LONGEST)]);
        xen.dom(dom)?.start = Some(start);
        Ok(())
    }
}

/// What is where in the page that a kernel starts from: as in a 64-bit PV guest's `struct start_info`
/// (`xen/include/public/xen.h`), in guests of other kinds too. The rings are named by the guest's own numbers,
/// which Linux puts there when it suspends.
pub(crate) mod start {
    pub(crate) const STORE: usize = 56;
    pub(crate) const CONSOLE: usize = 72;
    pub(crate) const COMMAND_LINE: usize = 128;
    /// With a zero at the end of the page.
    pub(crate) const LONGEST: usize = 4096 - COMMAND_LINE - 1;
}

impl Image for Building<'_> {
    fn set_container_type(&mut self, container: Container) {
        self.container = container;
    }
    fn set_flags(&mut self, _: u64) {}
    fn set_console(&mut self, port: Port, _: DomId) {
        self.console = port;
    }
    fn set_xenstore(&mut self, port: Port, _: DomId) {
        self.store = port;
    }
    fn set_claim_enabled(&mut self, claim: bool) {
        self.claim = claim;
    }
    fn set_max_vcpus(&mut self, _: u32) {}
    fn set_target_pages(&mut self, pages: PageCount) {
        self.target = Some(pages);
    }
    fn set_mmio(&mut self, _: u64, _: u64) {}
    fn set_lowmem_end(&mut self, end: u64) {
        self.low_end = end;
    }
    fn set_highmem_end(&mut self, _: u64) {}
    fn set_vga_hole_size(&mut self, _: PageCount) {}
    fn set_device_model(&mut self, _: bool) {}
    fn set_system_firmware_module(&mut self, _: Arc<Content>) {}
    fn set_acpi_module(&mut self, _: Vec<u8>, _: u64) {}
    fn set_smbios_module(&mut self, _: Arc<Content>) {}
    fn set_e820(&mut self, _: &[E820Entry]) {}

    fn kernel_mem(&mut self, _: Arc<Content>) -> Result<(), CallError> {
        self.builder.call("xc_dom_kernel_mem", |_| Ok(()))
    }

    fn module_mem(&mut self, _: Arc<Content>) -> Result<(), CallError> {
        self.builder.call("xc_dom_module_mem", |_| Ok(()))
    }

    fn boot_xen_init(&mut self, dom: DomId) -> Result<(), CallError> {
        self.builder.call("xc_dom_boot_xen_init", |_| Ok(()))?;
        self.dom = Some(dom);
        Ok(())
    }

    fn parse_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_parse_image", |_, _| Ok(()))
    }

    fn mem_init(&mut self, mib: u32) -> Result<(), CallError> {
        self.step("xc_dom_mem_init", |_, _| Ok(()))?;
        self.pages = u64::from(mib) << 8;
        Ok(())
    }

    fn boot_mem_init(&mut self) -> Result<(), CallError> {
        match self.container {
            Container::Pv => self.populate_pv(),
            Container::Hvm => self.step("xc_dom_boot_mem_init", |xen, dom| {
                let claim = self.target.map_or(self.pages, PageCount::get);
                claimed(xen, dom, self.claim, claim, |xen| self.populate_hvm(xen, dom))
            }),
        }
    }

    fn build_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_build_image", |xen, dom| xen.dom(dom).map(drop))
    }

    fn boot_image(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_boot_image", |xen, dom| {
            let ring = self.ring(xen, dom)?;
            if self.container == Container::Hvm {
                let (Gfn(store), Gfn(console)) = (self.xenstore_pfn(), self.console_pfn());
                for (param, value) in [
                    (HvmParam::STORE_PFN, store),
                    (HvmParam::STORE_EVTCHN, self.store.0.into()),
                    (HvmParam::CONSOLE_PFN, console),
                    (HvmParam::CONSOLE_EVTCHN, self.console.0.into()),
                ] {
                    xen.set_hvm_param(dom, param.0, value)?;
                }
            }
            let domain = xen.dom(dom)?;
            let first = domain.vcpus.first_mut().ok_or(Errno::INVAL)?;
            first.online = true;
            let command_line = self.command_line.clone();
            domain.boot = Some(Boot { command_line, ring, port: self.store, restored: false });
            domain.p2m = self.p2m.iter().copied().map(Some).collect();
            self.write_start(xen, dom)
        })
    }

    fn gnttab_init(&mut self) -> Result<(), CallError> {
        self.step("xc_dom_gnttab_init", |xen, dom| xen.dom(dom).map(drop))
    }

    fn console_pfn(&self) -> Gfn {
        match self.container {
            Container::Pv => Gfn(self.pages.saturating_sub(1)),
            Container::Hvm => Gfn(SPECIAL + 2),
        }
    }

    fn xenstore_pfn(&self) -> Gfn {
        match self.container {
            Container::Pv => Gfn(self.pages.saturating_sub(2)),
            Container::Hvm => Gfn(SPECIAL + 1),
        }
    }

    fn acpi_module_guest_addr(&self) -> u64 {
        0 // HVM's, which is not built here
    }

    fn smbios_module_guest_addr(&self) -> u64 {
        0
    }

    fn pv_p2m(&self, gfn: Gfn) -> Option<Mfn> {
        self.p2m.get(usize::try_from(gfn.0).ok()?).copied().map(Mfn)
    }
}

/// Populates under a claim for so many pages, which ends with it.
fn claimed(
    xen: &mut Xen,
    dom: DomId,
    wanted: bool,
    pages: u64,
    populate: impl FnOnce(&mut Xen) -> Outcome<()>,
) -> Outcome<()> {
    if wanted {
        xen.claim(dom, pages)?;
    }
    let populated = populate(xen);
    if wanted {
        xen.claim(dom, 0)?;
    }
    populated
}

fn exactly(done: usize, wanted: usize) -> Outcome<()> {
    if done == wanted { Ok(()) } else { Err(Errno::NOMEM) }
}

const PAGE: u64 = 4096;
/// As a frame.
const FOUR_GIB: u64 = 1 << 20;
/// `XENMEMF_populate_on_demand` (`xen/include/public/memory.h`).
const ON_DEMAND: u32 = xenctrl_sys::XENMEMF_POPULATE_ON_DEMAND;
/// `X86_HVM_NR_SPECIAL_PAGES` below `X86_HVM_END_SPECIAL_REGION` (`tools/include/xenguest.h`).
const SPECIAL_PAGES: u64 = 8;
const SPECIAL: u64 = 0xff000 - SPECIAL_PAGES;
