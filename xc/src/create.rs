//! Creating a domain: what is fixed for its whole life.

use xen_types::{Bytes, DomId, DomainUuid};
use xenctrl_sys::{
    ArchDomainConfig, CreateDomain, DOMID_ANY, Release, XEN_DOMCTL_ALTP2M_EXTERNAL,
    XEN_DOMCTL_ALTP2M_LIMITED, XEN_DOMCTL_ALTP2M_MIXED, XEN_DOMCTL_CDF_HAP, XEN_DOMCTL_CDF_HVM,
    XEN_DOMCTL_CDF_IOMMU, XEN_DOMCTL_CDF_NESTED_VIRT, XEN_DOMCTL_CDF_OOS_OFF,
    XEN_DOMCTL_CDF_S3_INTEGRITY, XEN_DOMCTL_CDF_VPMU, XEN_DOMCTL_CDF_XS_DOMAIN,
    XEN_DOMCTL_IOMMU_NO_SHAREPT, XEN_X86_EMU_ALL, XEN_X86_EMU_LAPIC, XEN_X86_EMU_USE_PIRQ,
    XEN_X86_EMU_VPCI, XEN_X86_MSR_RELAXED,
};

use crate::backend::CallError;
use crate::{Capabilities, Error, Result, Xc};

/// How a guest is virtualised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GuestKind {
    /// Paravirtual: the guest's kernel knows Xen and owns its page tables.
    Pv,
    /// Hardware-virtualised without emulated devices.
    Pvh,
    /// Hardware-virtualised with a device model.
    Hvm,
}

/// Who may use alternate views of a guest's memory, for introspection (`XEN_DOMCTL_ALTP2M_*`,
/// `xen/include/public/domctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u16)]
pub enum Altp2mMode {
    /// The guest and other domains; not meant to be secure.
    Mixed = XEN_DOMCTL_ALTP2M_MIXED,
    /// Other domains.
    External = XEN_DOMCTL_ALTP2M_EXTERNAL,
    /// Other domains; the guest may switch between views and be told of what they forbid.
    Limited = XEN_DOMCTL_ALTP2M_LIMITED,
}

/// What a domain is created with.
///
/// [`CreateConfig::new`] takes what has no default; the rest are public fields, set to what libxl
/// would choose.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateConfig {
    /// How the guest is virtualised.
    pub kind: GuestKind,
    /// Who the domain is.
    pub uuid: DomainUuid,
    /// The number of virtual CPUs that it may have; [`Xc::set_max_vcpus`] then creates them.
    pub max_vcpus: u32,
    /// The security label (FLASK); 0 for the default.
    pub ssidref: u32,
    /// The highest event-channel port.
    pub max_evtchn_port: u32,
    /// The size of the grant table in pages; `None` for the host's default.
    pub max_grant_frames: Option<u32>,
    /// The size of the table of mapped grants in pages; `None` for the host's default.
    pub max_maptrack_frames: Option<u32>,
    /// The highest grant-table version; `None` for the highest that the host has. Without effect
    /// on 4.15.
    pub grant_version: Option<u8>,
    /// The CPU pool; before 4.17 only 0.
    pub cpupool: u32,
    /// Whether devices may be assigned.
    pub iommu: bool,
    /// Whether the IOMMU may use the guest's own page tables, where the host can; without effect if
    /// no devices may be assigned.
    pub iommu_share_tables: bool,
    /// Whether the guest may run guests; PV never.
    pub nested_virt: bool,
    /// Whether it gets performance counters; from 4.16.
    pub vpmu: bool,
    /// Whether to use hardware-assisted paging where the host has it; PV never.
    pub hap: bool,
    /// Whether shadow page tables may be out of step with the guest's; PV never.
    pub oos: bool,
    /// Whether the guest's memory is checked after the host slept; only where Xen was built for it
    /// (tboot).
    pub s3_integrity: bool,
    /// Whether it serves the xenstore.
    pub xenstore: bool,
    /// Alternate views of memory. Before 4.19 they are set by
    /// [`HvmParam::ALTP2M`](crate::HvmParam::ALTP2M) instead; needs HAP, excludes guests of its own.
    pub altp2m: Option<Altp2mMode>,
    /// How many such views, from 4.21; `None` for ten, which is what older releases have.
    pub altp2m_views: Option<u16>,
    /// How much processor tracing is kept of each virtual CPU: 0, or a power of two from 4 KiB to
    /// 64 MiB where the host [can](Capabilities::VMTRACE); PV never.
    pub vmtrace: Bytes,
    /// Whether event channels of HVM can stand for emulated interrupts; `None` for what libxl does:
    /// before 4.19 they can, and must.
    pub pirqs: Option<bool>,
    /// Whether accesses to unknown model-specific registers are tolerated.
    pub msr_relaxed: bool,
}

impl CreateConfig {
    /// A domain with the defaults of this host.
    pub const fn new(kind: GuestKind, uuid: DomainUuid, max_vcpus: u32) -> Self {
        Self {
            kind,
            uuid,
            max_vcpus,
            ssidref: 0,
            max_evtchn_port: 1023,
            max_grant_frames: None,
            max_maptrack_frames: None,
            grant_version: None,
            cpupool: 0,
            iommu: false,
            iommu_share_tables: true,
            nested_virt: false,
            vpmu: false,
            hap: true,
            oos: true,
            s3_integrity: false,
            xenstore: false,
            altp2m: None,
            altp2m_views: None,
            vmtrace: Bytes(0),
            pirqs: None,
            msr_relaxed: false,
        }
    }

    fn to_raw(&self, host: Capabilities, release: Release) -> CreateDomain {
        let hardware = self.kind != GuestKind::Pv;
        let hap = hardware && self.hap && host.contains(Capabilities::HAP);
        let flags = [
            (hardware, XEN_DOMCTL_CDF_HVM),
            (hap, XEN_DOMCTL_CDF_HAP),
            (self.s3_integrity, XEN_DOMCTL_CDF_S3_INTEGRITY),
            (hardware && !self.oos, XEN_DOMCTL_CDF_OOS_OFF),
            (self.xenstore, XEN_DOMCTL_CDF_XS_DOMAIN),
            (self.iommu, XEN_DOMCTL_CDF_IOMMU),
            (hardware && self.nested_virt, XEN_DOMCTL_CDF_NESTED_VIRT),
            (self.vpmu, XEN_DOMCTL_CDF_VPMU),
        ];
        CreateDomain {
            ssidref: self.ssidref,
            handle: self.uuid.to_bytes(),
            flags: flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).sum(),
            // Xen refuses options of an IOMMU that was not asked for.
            iommu_opts: if self.iommu && !self.iommu_share_tables {
                XEN_DOMCTL_IOMMU_NO_SHAREPT
            } else {
                0
            },
            max_vcpus: self.max_vcpus,
            max_evtchn_port: self.max_evtchn_port,
            max_grant_frames: frames(self.max_grant_frames),
            max_maptrack_frames: frames(self.max_maptrack_frames),
            grant_opts: self.grant_version.map_or_else(|| best_grant_version(host), u32::from),
            altp2m_opts: self.altp2m.map_or(0, |mode| mode as u16),
            altp2m_nr: self.altp2m_views.unwrap_or_else(|| altp2m_views(self.altp2m, release)),
            vmtrace_size: u32::try_from(self.vmtrace.get()).unwrap_or(u32::MAX), // which is refused
            cpupool_id: self.cpupool,
            arch: ArchDomainConfig {
                emulation_flags: emulation(self.kind, self.pirqs, release),
                misc_flags: if self.msr_relaxed { XEN_X86_MSR_RELAXED } else { 0 },
            },
        }
    }
}

impl Xc {
    /// Creates a domain without memory or virtual CPUs, paused, with an id that Xen chooses.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) if this host cannot have such a domain,
    /// [`Kind::NoMemory`](crate::Kind::NoMemory) if Xen is short of memory for its own structures,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if this release cannot express the
    /// configuration, [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_domain_create")]
    pub fn create_domain(&self, config: &CreateConfig) -> Result<DomId> {
        let fail = |e: CallError| Error::new(format!("create domain {}", config.uuid), e);
        let host = self.backend.physinfo().map_err(fail)?;
        let host = Capabilities::from_bits_retain(host.capabilities);
        let raw = config.to_raw(host, self.release());
        let id = self.backend.domain_create(DOMID_ANY, &raw).map_err(fail)?;
        // Xen gives no reserved id (`xen/common/domctl.c`). If one came, nothing here could even
        // name the domain to destroy it: the error does.
        DomId::try_from(id).map_err(|_| {
            let operation = format!("create domain {}, left behind with id {id}", config.uuid);
            Error::new(
                operation,
                CallError::Nonsense { call: "xc_domain_create", answer: id.into() },
            )
        })
    }
}

/// A negative number of frames stands for the host's default (`grant_table_init`,
/// `xen/common/grant_table.c`).
fn frames(wanted: Option<u32>) -> i32 {
    wanted.map_or(-1, |frames| i32::try_from(frames).unwrap_or(i32::MAX))
}

/// Version 0 is refused from 4.16 on. Releases before do not report versions and do not ask.
fn best_grant_version(host: Capabilities) -> u32 {
    if host.contains(Capabilities::GNTTAB_V2) { 2 } else { 1 }
}

/// What libxl has Xen emulate. From 4.19 on HVM guests get no PIRQs unless asked for.
fn emulation(kind: GuestKind, pirqs: Option<bool>, release: Release) -> u32 {
    match kind {
        GuestKind::Pv => 0,
        GuestKind::Pvh => XEN_X86_EMU_LAPIC,
        GuestKind::Hvm => {
            let pirqs = pirqs.unwrap_or(release < Release::new(4, 19));
            let without = if pirqs { 0 } else { XEN_X86_EMU_USE_PIRQ };
            XEN_X86_EMU_ALL & !XEN_X86_EMU_VPCI & !without
        }
    }
}

/// What libxl asks for. From 4.21 on a mode without a number is refused, and a number without a mode.
fn altp2m_views(mode: Option<Altp2mMode>, release: Release) -> u16 {
    if mode.is_some() && release >= Release::new(4, 21) { 10 } else { 0 }
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
