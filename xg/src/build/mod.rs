//! Building a guest: libxl's sequence, each step checked.

mod config;
mod hvm;
mod pv;
mod pvh;

use xc::foreign::ForeignMemory;
use xc::{E820Entry, GuestKind, HvmParam, Release};
use xen_types::{DomId, Gfn, Mfn, MiB};

use crate::backend::{Backend, CallError, Image};
use crate::{Error, Kernel, Result, Xg};

pub use config::{BuildConfig, HvmConfig};
pub use hvm::HvmModule;

/// A guest that is ready to be introduced to xenstored and unpaused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Built {
    /// The ring to xenstored.
    pub store: RingFrame,
    /// The ring to xenconsoled.
    pub console: RingFrame,
    /// The ACPI tables of an HVM guest that was given some.
    pub acpi: Option<HvmModule>,
    /// The SMBIOS structures of an HVM guest that was given some.
    pub smbios: Option<HvmModule>,
}

/// A frame that the guest shares with a daemon.
///
/// The store wants its [number](RingFrame::number), in `INTRODUCE`, `store/ring-ref` and
/// `console/ring-ref`. PV guests are named by machine frame there, PVH and HVM guests by guest
/// frame (`libxl__build_pv`, `libxl__build_hvm`), as the daemons map them by foreign-memory mapping
/// where they do not use the grant table, which libxenguest fills too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingFrame {
    /// Of a PVH or HVM guest.
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
    /// Puts kernel, ramdisk and command line into `dom`, populates its memory and prepares its
    /// first virtual CPU.
    ///
    /// The domain must be new, and what precedes in the [order of calls](crate) done. It stays
    /// paused. It cannot be interrupted; unpacking an xz kernel takes the most time, which is saved by
    /// giving one that [`KernelCache::unpack`](crate::KernelCache::unpack) gave. A build that
    /// failed leaves a domain that is good for nothing but to be destroyed.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a kernel or configuration that cannot be,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if the host or the domain's ceiling has not
    /// enough, [`Kind::Unavailable`](crate::Kind::Unavailable) for more than 128 virtual CPUs, but
    /// for PV, and for HVM where there is no `/dev/xen/privcmd`,
    /// [`Kind::Again`](crate::Kind::Again) if somebody writes a file that was
    /// [loaded in place](Kernel::load_in_place). What libxenguest said is part of the cause.
    #[doc(alias(
        "xc_dom_allocate",
        "xc_dom_parse_image",
        "xc_dom_build_image",
        "xc_dom_boot_image"
    ))]
    pub fn build(&self, dom: DomId, config: &BuildConfig) -> Result<Built> {
        config.check().map_err(|source| Error::Config { dom, source })?;
        let kernel = config.kernel.unpack()?;
        kernel.check(config.kind)?;
        config.check_intact()?;
        let foreign = self.foreign_for(dom, config.kind)?;
        let image = self
            .backend
            .allocate(&config.cmdline, config.features())
            .map_err(|source| Error::Call { dom, call: "xc_dom_allocate", source })?;
        Build { backend: &*self.backend, dom, config, kernel, image, foreign }.run()
    }

    /// What an HVM guest's memory is mapped with. A missing privilege shows before anything is
    /// built.
    fn foreign_for(&self, dom: DomId, kind: GuestKind) -> Result<Option<ForeignMemory>> {
        match &self.foreign {
            _ if kind != GuestKind::Hvm => Ok(None),
            Some(foreign) => Ok(Some(foreign.clone())),
            None => match ForeignMemory::open() {
                Ok(foreign) => Ok(Some(foreign)),
                Err(source) => Err(Error::HvmInfo { dom, source: source.into() }),
            },
        }
    }
}

struct Build<'a> {
    backend: &'a dyn Backend,
    dom: DomId,
    config: &'a BuildConfig,
    /// Unpacked, unless only libxenguest knows its compression.
    kernel: Kernel,
    /// Released when the build ends, well or not.
    image: Box<dyn Image + 'a>,
    /// What the memory of an HVM guest is mapped with; `None` for others.
    foreign: Option<ForeignMemory>,
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
        match config.kind {
            GuestKind::Pv => (),
            GuestKind::Pvh => pvh::hardware(&mut self)?,
            GuestKind::Hvm => hvm::hardware(&mut self)?,
        }
        self.step("xc_dom_build_image", |image| image.build_image())?;
        // That was the last that read them.
        self.kernel.check_intact()?;
        self.config.check_intact()?;
        self.step("xc_dom_boot_image", |image| image.boot_image())?;
        self.step("xc_dom_gnttab_init", |image| image.gnttab_init())?;
        self.ports()?;
        let (acpi, smbios) = match &self.foreign {
            Some(foreign) => {
                hvm::complete_info(foreign, dom, config)?;
                hvm::modules(&self)
            }
            None => (None, None),
        };
        let store = self.ring(self.image.xenstore_pfn())?;
        let console = self.ring(self.image.console_pfn())?;
        Ok(Built { store, console, acpi, smbios })
    }

    /// Fills in the fields that libxl fills in.
    fn describe(&mut self) {
        let (config, image) = (self.config, &mut self.image);
        image.set_console(config.console, config.console_domain);
        image.set_xenstore(config.store, config.store_domain);
        image.set_claim_enabled(config.claim);
        image.set_max_vcpus(config.vcpus);
        match config.kind {
            GuestKind::Pv => pv::describe(image.as_mut()),
            GuestKind::Pvh => pvh::describe(image.as_mut(), config),
            GuestKind::Hvm => hvm::describe(image.as_mut(), config),
        }
    }

    fn payloads(&mut self) -> Result<()> {
        let (config, kernel) = (self.config, self.kernel.share());
        self.step("xc_dom_kernel_mem", |image| image.kernel_mem(kernel))?;
        match &config.ramdisk {
            Some(ramdisk) => {
                self.step("xc_dom_module_mem", |image| image.module_mem(ramdisk.share()))
            }
            None => Ok(()),
        }
    }

    /// A PV guest's map covers what it starts with and grows when it balloons; that of other guests
    /// covers the maximum from the start (`libxl__build_dom`).
    fn memory_to_map(&self) -> u32 {
        let MiB(mib) = match self.config.kind {
            GuestKind::Pv => self.config.memory,
            GuestKind::Pvh | GuestKind::Hvm => self.config.populated(self.config.max_memory),
        };
        u32::try_from(mib).expect("checked to be at most 2^24 - 1")
    }

    fn set_memory_map(&mut self, map: &[E820Entry]) -> Result<()> {
        self.backend
            .set_memory_map(self.dom, map)
            .map_err(|source| self.failed("xc_domain_set_memory_map", source))?;
        self.image.set_e820(map);
        Ok(())
    }

    /// Tells a guest that is not PV its ports. Up to 4.16 libxl does, since then
    /// `xc_dom_boot_image` (`bootlate_hvm`, `tools/libs/guest/xg_dom_x86.c`).
    fn ports(&self) -> Result<()> {
        let config = self.config;
        if config.kind == GuestKind::Pv || self.backend.release() >= Release::new(4, 17) {
            return Ok(());
        }
        let ports =
            [(HvmParam::STORE_EVTCHN, config.store), (HvmParam::CONSOLE_EVTCHN, config.console)];
        ports.into_iter().try_for_each(|(HvmParam(param), port)| {
            self.backend
                .hvm_param_set(self.dom, param, port.0.into())
                .map_err(|source| self.failed("xc_hvm_param_set", source))
        })
    }

    fn ring(&self, pfn: Gfn) -> Result<RingFrame> {
        if self.config.kind != GuestKind::Pv {
            return Ok(RingFrame::Guest(pfn));
        }
        let source = CallError::Failed {
            errno: None,
            said: vec![format!("{pfn:?} is not in the domain's map")],
        };
        let frame = self.image.pv_p2m(pfn).map(RingFrame::Machine);
        frame.ok_or_else(|| self.failed("xc_dom_p2m", source))
    }

    fn failed(&self, call: &'static str, source: CallError) -> Error {
        Error::Call { dom: self.dom, call, source }
    }

    fn step(
        &mut self,
        call: &'static str,
        step: impl FnOnce(&mut dyn Image) -> Result<(), CallError>,
    ) -> Result<()> {
        step(self.image.as_mut()).map_err(|source| self.failed(call, source))
    }
}

#[cfg(test)]
mod tests;
