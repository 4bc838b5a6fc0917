//! Creating a domain: what is fixed for its whole life.

use xen_types::{DomId, DomainUuid};
use xenctrl_sys::{
    ArchDomainConfig, CreateDomain, DOMID_ANY, Release, XEN_DOMCTL_CDF_HAP, XEN_DOMCTL_CDF_HVM,
    XEN_DOMCTL_CDF_IOMMU, XEN_DOMCTL_CDF_NESTED_VIRT, XEN_DOMCTL_CDF_VPMU, XEN_X86_EMU_ALL,
    XEN_X86_EMU_LAPIC, XEN_X86_EMU_USE_PIRQ, XEN_X86_EMU_VPCI, XEN_X86_MSR_RELAXED,
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
    /// Whether the guest may run guests; PV never.
    pub nested_virt: bool,
    /// Whether it gets performance counters; from 4.16.
    pub vpmu: bool,
    /// Whether to use hardware-assisted paging where the host has it; PV never.
    pub hap: bool,
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
            nested_virt: false,
            vpmu: false,
            hap: true,
            msr_relaxed: false,
        }
    }

    fn to_raw(&self, host: Capabilities, release: Release) -> CreateDomain {
        let hardware = self.kind != GuestKind::Pv;
        let hap = hardware && self.hap && host.contains(Capabilities::HAP);
        let flags = [
            (hardware, XEN_DOMCTL_CDF_HVM),
            (hap, XEN_DOMCTL_CDF_HAP),
            (self.iommu, XEN_DOMCTL_CDF_IOMMU),
            (hardware && self.nested_virt, XEN_DOMCTL_CDF_NESTED_VIRT),
            (self.vpmu, XEN_DOMCTL_CDF_VPMU),
        ];
        CreateDomain {
            ssidref: self.ssidref,
            handle: self.uuid.to_bytes(),
            flags: flags.iter().filter(|(wanted, _)| *wanted).map(|(_, flag)| flag).sum(),
            max_vcpus: self.max_vcpus,
            max_evtchn_port: self.max_evtchn_port,
            max_grant_frames: frames(self.max_grant_frames),
            max_maptrack_frames: frames(self.max_maptrack_frames),
            grant_opts: self.grant_version.map_or_else(|| best_grant_version(host), u32::from),
            cpupool_id: self.cpupool,
            arch: ArchDomainConfig {
                emulation_flags: emulation(self.kind, release),
                misc_flags: if self.msr_relaxed { XEN_X86_MSR_RELAXED } else { 0 },
            },
            ..CreateDomain::default()
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
fn emulation(kind: GuestKind, release: Release) -> u32 {
    match kind {
        GuestKind::Pv => 0,
        GuestKind::Pvh => XEN_X86_EMU_LAPIC,
        GuestKind::Hvm if release < Release::new(4, 19) => XEN_X86_EMU_ALL & !XEN_X86_EMU_VPCI,
        GuestKind::Hvm => XEN_X86_EMU_ALL & !XEN_X86_EMU_VPCI & !XEN_X86_EMU_USE_PIRQ,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backend::fake::Fake;

    const HOST: Capabilities = Capabilities::all();

    fn config(kind: GuestKind) -> CreateConfig {
        CreateConfig::new(kind, DomainUuid::from_bytes([0x5a; 16]), 3)
    }

    #[test]
    fn a_pv_domain_never_asks_for_hardware_features() {
        let config = CreateConfig { nested_virt: true, ..config(GuestKind::Pv) };
        let raw = config.to_raw(HOST, Release::new(4, 17));
        assert_eq!((raw.flags, raw.arch.emulation_flags), (0, 0));
        assert_eq!((raw.handle, raw.max_vcpus), ([0x5a; 16], 3));
    }

    #[test]
    fn a_pvh_domain_has_a_local_apic_and_nothing_else_emulated() {
        let raw = config(GuestKind::Pvh).to_raw(HOST, Release::new(4, 20));
        assert_eq!(raw.flags, XEN_DOMCTL_CDF_HVM | XEN_DOMCTL_CDF_HAP);
        assert_eq!(raw.arch.emulation_flags, XEN_X86_EMU_LAPIC);
    }

    #[test]
    fn hap_is_used_only_where_the_host_has_it() {
        let raw = config(GuestKind::Pvh).to_raw(Capabilities::HVM, Release::new(4, 20));
        assert_eq!(raw.flags, XEN_DOMCTL_CDF_HVM);
    }

    #[test]
    fn hvm_loses_emulated_pirqs_with_4_19() {
        let of = |minor| config(GuestKind::Hvm).to_raw(HOST, Release::new(4, minor)).arch;
        assert_eq!(of(18).emulation_flags, 0x3ff);
        assert_eq!(of(19).emulation_flags, 0x1ff);
    }

    #[test]
    fn unset_table_sizes_are_left_to_the_host_and_the_grant_version_is_never_zero() {
        let raw = config(GuestKind::Pv).to_raw(Capabilities::empty(), Release::new(4, 16));
        assert_eq!((raw.max_grant_frames, raw.max_maptrack_frames), (-1, -1));
        assert_eq!(raw.grant_opts, 1);
    }

    #[test]
    fn a_domain_with_an_id_that_cannot_be_is_named_in_the_error() {
        let xc = Xc::with_backend(Arc::new(Fake { created: 0x7ff0, ..Fake::default() }));
        let error = xc.create_domain(&config(GuestKind::Pv)).unwrap_err();
        assert!(error.to_string().ends_with("left behind with id 32752"), "{error}");
    }

    #[test]
    fn the_id_is_always_left_to_xen() {
        let fake = Arc::new(Fake { created: 9, ..Fake::default() });
        let xc = Xc::with_backend(fake.clone());
        let dom = xc.create_domain(&config(GuestKind::Pv)).unwrap();
        assert_eq!((dom.raw(), fake.calls()), (9, vec!["domain_create 0x7ff5 0x0".to_owned()]));
    }
}
