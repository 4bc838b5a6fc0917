//! Building a guest: libxl's sequence, each step checked.

use std::ffi::{CStr, CString};

use xc::GuestKind;
use xen_types::{Bytes, DomId, Gfn, Mfn, MiB, PageCount, Port};

use crate::backend::{Backend, CallError, Container, Image};
use crate::layout::PvhLayout;
use crate::{Error, InvalidConfig, Kernel, Ramdisk, Result, Xg, acpi};

/// What a guest is built from.
///
/// [`BuildConfig::new`] takes what has no default; the rest are public fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildConfig {
    /// How the guest is virtualised, as the domain was created.
    pub kind: GuestKind,
    /// The kernel.
    pub kernel: Kernel,
    /// The ramdisk.
    pub ramdisk: Option<Ramdisk>,
    /// The kernel's command line.
    pub cmdline: CString,
    /// Features that a PV kernel must have, such as `!writable_page_tables` (`XENFEAT_*`).
    pub features: Option<CString>,
    /// The memory that the guest starts with.
    pub memory: MiB,
    /// The most memory that it may balloon up to. Above `memory`, a PVH guest's memory is populated
    /// on demand.
    pub max_memory: MiB,
    /// The number of virtual CPUs, as many as the domain has.
    pub vcpus: u32,
    /// The guest's port to xenstored.
    pub store: Port,
    /// The guest's port to xenconsoled.
    pub console: Port,
    /// The domain in which xenstored runs.
    pub store_domain: DomId,
    /// The domain in which xenconsoled runs.
    pub console_domain: DomId,
    /// Whether the memory is claimed as a whole before it is populated, so that two builds at once
    /// cannot starve each other.
    pub claim: bool,
}

impl BuildConfig {
    /// A guest with one virtual CPU and no ramdisk, served by domain 0.
    pub fn new(kind: GuestKind, kernel: Kernel, memory: MiB, store: Port, console: Port) -> Self {
        Self {
            kind,
            kernel,
            ramdisk: None,
            cmdline: CString::default(),
            features: None,
            memory,
            max_memory: memory,
            vcpus: 1,
            store,
            console,
            store_domain: DomId::DOM0,
            console_domain: DomId::DOM0,
            claim: false,
        }
    }

    fn check(&self) -> Result<(), InvalidConfig> {
        if self.kind == GuestKind::Hvm {
            return Err(InvalidConfig::Guest(self.kind));
        }
        let buildable = MiB(1)..=MOST_MEMORY;
        for memory in [self.memory, self.max_memory] {
            if !buildable.contains(&memory) {
                return Err(InvalidConfig::Memory(memory));
            }
        }
        if self.memory > self.max_memory {
            let (target, maximum) = (self.memory, self.max_memory);
            return Err(InvalidConfig::TargetAboveMaximum { target, maximum });
        }
        match (self.kind, self.vcpus) {
            (_, 0) => Err(InvalidConfig::NoVcpu),
            (GuestKind::Pvh, vcpus) if vcpus > acpi::MOST_VCPUS.into() => {
                Err(InvalidConfig::PvhVcpus(self.vcpus))
            }
            (GuestKind::Pv, _) if self.cmdline.count_bytes() > MOST_PV_CMDLINE => {
                Err(InvalidConfig::CommandLine(self.cmdline.count_bytes()))
            }
            _ => Ok(()),
        }
    }

    /// The feature string, which only PV kernels have a use for.
    fn features(&self) -> Option<&CStr> {
        if self.kind == GuestKind::Pv { self.features.as_deref() } else { None }
    }
}

/// A guest that is ready to be introduced to xenstored and unpaused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Built {
    /// The ring to xenstored.
    pub store: RingFrame,
    /// The ring to xenconsoled.
    pub console: RingFrame,
}

/// A frame that the guest shares with a daemon.
///
/// The store wants its [number](RingFrame::number), in `INTRODUCE`, `store/ring-ref` and
/// `console/ring-ref`. PV guests are named by machine frame there and PVH guests by guest frame
/// (`libxl__build_pv`, `libxl__build_hvm`), as the daemons map them by foreign-memory mapping where
/// they do not use the grant table, which libxenguest fills too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingFrame {
    /// Of a PVH guest.
    Guest(Gfn),
    /// Of a PV guest.
    Machine(Mfn),
}

impl RingFrame {
    /// The number, as the store wants it.
    pub const fn number(self) -> u64 {
        match self {
            Self::Guest(Gfn(frame)) | Self::Machine(Mfn(frame)) => frame,
        }
    }
}

impl Xg {
    /// Puts kernel, ramdisk and command line into `dom`, populates its memory and prepares its first
    /// virtual CPU.
    ///
    /// The domain must be new, and what precedes in the [order of calls](crate) done. It stays
    /// paused. It cannot be interrupted; unpacking an xz kernel takes the most time. A build that
    /// failed leaves a domain that is good for nothing but to be destroyed.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a kernel or configuration that cannot be,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the host or the domain's ceiling has not enough,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) for HVM and for PVH with more than 128
    /// virtual CPUs. What libxenguest said is part of the cause.
    #[doc(alias(
        "xc_dom_allocate",
        "xc_dom_parse_image",
        "xc_dom_build_image",
        "xc_dom_boot_image"
    ))]
    pub fn build(&self, dom: DomId, config: &BuildConfig) -> Result<Built> {
        config.check().map_err(|source| Error::Config { dom, source })?;
        config.kernel.check(config.kind)?;
        let image = self
            .backend
            .allocate(&config.cmdline, config.features())
            .map_err(|source| Error::Call { dom, call: "xc_dom_allocate", source })?;
        Build { backend: &*self.backend, dom, config, image }.run()
    }
}

struct Build<'a> {
    backend: &'a dyn Backend,
    dom: DomId,
    config: &'a BuildConfig,
    /// Released when the build ends, well or not.
    image: Box<dyn Image + 'a>,
}

impl Build<'_> {
    fn run(mut self) -> Result<Built> {
        let (config, dom) = (self.config, self.dom);
        self.describe();
        self.payloads()?;
        self.step("xc_dom_boot_xen_init", |image| image.boot_xen_init(dom))?;
        self.step("xc_dom_parse_image", |image| image.parse_image())?;
        let memory = self.memory_to_map();
        self.step("xc_dom_mem_init", |image| image.mem_init(memory))?;
        self.step("xc_dom_boot_mem_init", |image| image.boot_mem_init())?;
        if config.kind == GuestKind::Pvh {
            self.hardware()?;
        }
        self.step("xc_dom_build_image", |image| image.build_image())?;
        self.step("xc_dom_boot_image", |image| image.boot_image())?;
        self.step("xc_dom_gnttab_init", |image| image.gnttab_init())?;
        Ok(Built {
            store: self.ring(self.image.xenstore_pfn())?,
            console: self.ring(self.image.console_pfn())?,
        })
    }

    /// Fills in the fields that libxl fills in.
    fn describe(&mut self) {
        let (config, image) = (self.config, &mut self.image);
        image.set_console(config.console, config.console_domain);
        image.set_xenstore(config.store, config.store_domain);
        image.set_claim_enabled(config.claim);
        image.set_max_vcpus(config.vcpus);
        if config.kind == GuestKind::Pv {
            image.set_container_type(Container::Pv);
            // libxl clears what xc_dom_allocate sets, SIF_VIRT_P2M_4TOOLS, and so do we: a guest
            // that is then saved looks like one of libxl's.
            image.set_flags(0);
        } else {
            let layout = PvhLayout::new(config.max_memory);
            image.set_container_type(Container::Hvm);
            image.set_target_pages(config.memory.to_pages());
            image.set_mmio(PvhLayout::MMIO_START, PvhLayout::MMIO_SIZE);
            image.set_lowmem_end(layout.low_end);
            image.set_highmem_end(layout.high_end);
            image.set_vga_hole_size(PageCount(0));
            image.set_device_model(false);
        }
    }

    fn payloads(&mut self) -> Result<()> {
        let config = self.config;
        self.step("xc_dom_kernel_mem", |image| image.kernel_mem(config.kernel.share()))?;
        match &config.ramdisk {
            Some(ramdisk) => {
                self.step("xc_dom_module_mem", |image| image.module_mem(ramdisk.share()))
            }
            None => Ok(()),
        }
    }

    /// A PV guest's map covers what it starts with and grows when it balloons; a PVH guest's covers
    /// the maximum from the start (`libxl__build_dom`).
    fn memory_to_map(&self) -> u32 {
        let MiB(mib) = match self.config.kind {
            GuestKind::Pv => self.config.memory,
            GuestKind::Pvh | GuestKind::Hvm => self.config.max_memory,
        };
        u32::try_from(mib).expect("checked to be at most 2^24 - 1")
    }

    /// Tells the guest of its CPUs and its memory. Xen gives the memory map to whoever asks by
    /// hypercall, libxenguest writes it into the start info.
    fn hardware(&mut self) -> Result<()> {
        let vcpus = u8::try_from(self.config.vcpus).expect("checked to be at most 128");
        let tables = acpi::tables(vcpus);
        let map = PvhLayout::new(self.config.max_memory).memory_map(Bytes(tables.len() as u64));
        self.image.set_acpi_module(tables, acpi::ADDRESS);
        self.backend.set_memory_map(self.dom, &map).map_err(|source| Error::Call {
            dom: self.dom,
            call: "xc_domain_set_memory_map",
            source,
        })?;
        self.image.set_e820(&map);
        Ok(())
    }

    fn ring(&self, pfn: Gfn) -> Result<RingFrame> {
        if self.config.kind != GuestKind::Pv {
            return Ok(RingFrame::Guest(pfn));
        }
        let source = CallError::Failed {
            errno: None,
            said: vec![format!("{pfn:?} is not in the domain's map")],
        };
        self.image.pv_p2m(pfn).map(RingFrame::Machine).ok_or(Error::Call {
            dom: self.dom,
            call: "xc_dom_p2m",
            source,
        })
    }

    fn step(
        &mut self,
        call: &'static str,
        step: impl FnOnce(&mut dyn Image) -> Result<(), CallError>,
    ) -> Result<()> {
        step(self.image.as_mut()).map_err(|source| Error::Call { dom: self.dom, call, source })
    }
}

/// `xc_dom_mem_init` counts pages in 32 bits (`tools/libs/guest/xg_dom_core.c`, 4.17).
const MOST_MEMORY: MiB = MiB((1 << 24) - 1);
/// `MAX_GUEST_CMDLINE` of `xen/include/public/xen.h`, less the final zero.
const MOST_PV_CMDLINE: usize = 1023;

#[cfg(test)]
mod tests;
