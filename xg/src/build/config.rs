//! What a guest is built from, and what of it cannot be.

use std::ffi::{CStr, CString};

use xc::GuestKind;
use xen_types::{DomId, MiB, Port};

use crate::layout::Layout;
use crate::{Firmware, InvalidConfig, Kernel, Ramdisk, Result, acpi};

/// What a guest is built from.
///
/// [`BuildConfig::new`] takes what has no default; the rest are public fields.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BuildConfig {
    /// How the guest is virtualised, as the domain was created.
    pub kind: GuestKind,
    /// The kernel; of an HVM guest it is Xen's `hvmloader`. A compressed one is
    /// [unpacked](Kernel::unpack) by the build.
    pub kernel: Kernel,
    /// The ramdisk; HVM takes none.
    pub ramdisk: Option<Ramdisk>,
    /// The kernel's command line.
    pub cmdline: CString,
    /// Features that a PV kernel must have, such as `!writable_page_tables` (`XENFEAT_*`).
    pub features: Option<CString>,
    /// The memory that the guest starts with.
    pub memory: MiB,
    /// The most memory that it may balloon up to. Above `memory`, the memory of a PVH or HVM guest
    /// is populated on demand.
    pub max_memory: MiB,
    /// The number of virtual CPUs, as many as the domain has.
    pub vcpus: u32,
    /// How many of them, the first ones, a PVH or HVM guest finds online in its tables; `None` for
    /// all. (libxl did not tell PVH guests of others before 4.19.)
    pub online_vcpus: Option<u32>,
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
    /// What only HVM guests have.
    pub hvm: HvmConfig,
}

/// What only an HVM guest is built from. The [defaults](HvmConfig::default) lack the firmware.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HvmConfig {
    /// What `hvmloader` starts: SeaBIOS or OVMF, as `hvmloader/bios` in the store says.
    pub firmware: Option<Firmware>,
    /// ACPI tables that the guest gets beside those of `hvmloader`, one after another.
    pub acpi: Option<Firmware>,
    /// SMBIOS structures that replace those of `hvmloader` or are added to them, each after its
    /// length in 32 bits (`xen/include/public/hvm/hvm_xs_strings.h`).
    pub smbios: Option<Firmware>,
    /// Whether the guest is told of its APICs if it has but one virtual CPU. True by default.
    pub apic: bool,
    /// How much of the memory is the device model's, for the screen: it is not populated here. None
    /// by default.
    pub video_memory: MiB,
    /// The space below 4 GiB for PCI devices, 256 MiB by default and at least.
    pub hole: MiB,
}

impl Default for HvmConfig {
    fn default() -> Self {
        Self {
            firmware: None,
            acpi: None,
            smbios: None,
            apic: true,
            video_memory: MiB(0),
            hole: Layout::HVM_HOLE,
        }
    }
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
            online_vcpus: None,
            store,
            console,
            store_domain: DomId::DOM0,
            console_domain: DomId::DOM0,
            claim: false,
            hvm: HvmConfig::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        self.check_memory()?;
        let online = self.online();
        match (self.kind, self.vcpus) {
            (_, 0) => Err(InvalidConfig::NoVcpu),
            (GuestKind::Pvh | GuestKind::Hvm, vcpus) if vcpus > acpi::MOST_VCPUS.into() => {
                Err(InvalidConfig::Vcpus(vcpus))
            }
            (_, vcpus) if !(1..=vcpus).contains(&online) => {
                Err(InvalidConfig::Online { online, vcpus })
            }
            (GuestKind::Pv, _) if self.cmdline.count_bytes() > MOST_PV_CMDLINE => {
                Err(InvalidConfig::CommandLine(self.cmdline.count_bytes()))
            }
            (GuestKind::Hvm, _) if self.ramdisk.is_some() => Err(InvalidConfig::HvmRamdisk),
            _ => Ok(()),
        }
    }

    /// Fails if a file of what it names, other than the kernel's, was changed or is to be.
    pub(super) fn check_intact(&self) -> Result<()> {
        let HvmConfig { firmware, acpi, smbios, .. } = &self.hvm;
        for file in [firmware, acpi, smbios].into_iter().flatten() {
            file.check_intact()?;
        }
        self.ramdisk.as_ref().map_or(Ok(()), Ramdisk::check_intact)
    }

    fn check_memory(&self) -> Result<(), InvalidConfig> {
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
        if self.kind != GuestKind::Hvm {
            return Ok(());
        }
        let (video, memory) = (self.hvm.video_memory, self.memory);
        if memory.get() < video.get().saturating_add(LEAST_HVM_MEMORY.get()) {
            return Err(InvalidConfig::VideoMemory { video, memory });
        }
        if !(Layout::HVM_HOLE..=Layout::HVM_MOST_HOLE).contains(&self.hvm.hole) {
            return Err(InvalidConfig::Hole(self.hvm.hole));
        }
        Ok(())
    }

    /// The memory to be populated, of what the guest starts with or may have.
    pub(super) fn populated(&self, memory: MiB) -> MiB {
        if self.kind == GuestKind::Hvm {
            MiB(memory.get().saturating_sub(self.hvm.video_memory.get()))
        } else {
            memory
        }
    }

    /// How many virtual CPUs are online.
    pub(super) fn online(&self) -> u32 {
        self.online_vcpus.unwrap_or(self.vcpus)
    }

    /// The feature string, which only PV kernels have a use for.
    pub(super) fn features(&self) -> Option<&CStr> {
        if self.kind == GuestKind::Pv { self.features.as_deref() } else { None }
    }
}

/// `xc_dom_mem_init` counts pages in 32 bits (`tools/libs/guest/xg_dom_core.c`, 4.17).
const MOST_MEMORY: MiB = MiB((1 << 24) - 1);
/// What is below 1 MiB is the firmware's.
const LEAST_HVM_MEMORY: MiB = MiB(2);
/// `MAX_GUEST_CMDLINE` of `xen/include/public/xen.h`, less the final zero.
const MOST_PV_CMDLINE: usize = 1023;
