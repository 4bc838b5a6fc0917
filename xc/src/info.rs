//! What the hypervisor knows of its domains.

use std::time::Duration;

use xen_types::{DomId, DomainUuid, Mfn, PageCount, ShutdownReason};
use xenctrl_sys::{
    XEN_DOMINF_BLOCKED, XEN_DOMINF_DEBUGGED, XEN_DOMINF_DYING, XEN_DOMINF_HAP,
    XEN_DOMINF_HVM_GUEST, XEN_DOMINF_PAUSED, XEN_DOMINF_RUNNING, XEN_DOMINF_SHUTDOWN,
    XEN_DOMINF_SHUTDOWN_MASK, XEN_DOMINF_SHUTDOWN_SHIFT, XEN_DOMINF_XS_DOMAIN,
};

use crate::backend::{self, CallError};
use crate::error::Cause;
use crate::{Error, Result, Xc};

bitflags::bitflags! {
    /// The state of a domain at one moment. A domain that is neither running nor blocked nor paused
    /// is ready to run. Bits that are not known here are kept.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct DomainFlags: u32 {
        /// Destroyed, but pages of it are still mapped somewhere.
        const DYING = XEN_DOMINF_DYING;
        /// HVM or PVH: the hypervisor does not tell the two apart.
        const HVM = XEN_DOMINF_HVM_GUEST;
        /// Shut down, see [`DomainInfo::shutdown`].
        const SHUTDOWN = XEN_DOMINF_SHUTDOWN;
        /// Paused by a control domain.
        const PAUSED = XEN_DOMINF_PAUSED;
        /// Every virtual CPU waits for an event.
        const BLOCKED = XEN_DOMINF_BLOCKED;
        /// A virtual CPU is on a physical one.
        const RUNNING = XEN_DOMINF_RUNNING;
        /// A debugger is attached, see [`Xc::set_debugging`].
        const DEBUGGED = XEN_DOMINF_DEBUGGED;
        /// Serves the xenstore.
        const XENSTORE = XEN_DOMINF_XS_DOMAIN;
        /// Uses hardware-assisted paging.
        const HAP = XEN_DOMINF_HAP;
    }
}

/// What the hypervisor knows of a domain at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DomainInfo {
    /// Its number while it lives.
    pub id: DomId,
    /// Who it is.
    pub uuid: DomainUuid,
    /// Its state.
    pub flags: DomainFlags,
    /// Why it shut down, if it did.
    pub shutdown: Option<ShutdownReason>,
    /// The memory it has now.
    pub current_pages: PageCount,
    /// The most it may have; all ones for no limit.
    pub max_pages: PageCount,
    /// What is left of its claim.
    pub outstanding_pages: PageCount,
    /// The pages that it shares with other domains.
    pub shared_pages: PageCount,
    /// The pages that are paged out.
    pub paged_pages: PageCount,
    /// Its shared-info page, for PV.
    pub shared_info_frame: Mfn,
    /// The time its virtual CPUs have run.
    pub cpu_time: Duration,
    /// The virtual CPUs that are online.
    pub online_vcpus: u32,
    /// The highest id of a virtual CPU, if it has any.
    pub max_vcpu_id: Option<u32>,
    /// The security label.
    pub ssidref: u32,
    /// The CPU pool.
    pub cpupool: u32,
    /// How many bits its guest-physical addresses may have; 0 before 4.16, which does not tell.
    pub address_bits: u8,
    /// What Xen emulates for it (`XEN_X86_EMU_*`, `xen/include/public/arch-x86/xen.h`).
    pub emulation_flags: u32,
}

impl DomainInfo {
    /// Whether a control domain paused it.
    pub fn is_paused(&self) -> bool {
        self.flags.contains(DomainFlags::PAUSED)
    }

    /// Whether it is destroyed and only its remains are left.
    pub fn is_dying(&self) -> bool {
        self.flags.contains(DomainFlags::DYING)
    }

    /// Whether it is HVM or PVH.
    pub fn is_hvm(&self) -> bool {
        self.flags.contains(DomainFlags::HVM)
    }

    /// Whether it shut down because it crashed.
    pub fn is_crashed(&self) -> bool {
        self.shutdown == Some(ShutdownReason::Crash)
    }

    fn from_raw(raw: &backend::DomainInfo) -> Result<Self, CallError> {
        let reason = (raw.flags >> XEN_DOMINF_SHUTDOWN_SHIFT) & XEN_DOMINF_SHUTDOWN_MASK;
        let reason_bits = XEN_DOMINF_SHUTDOWN_MASK << XEN_DOMINF_SHUTDOWN_SHIFT;
        let flags = DomainFlags::from_bits_retain(raw.flags & !reason_bits);
        Ok(Self {
            id: DomId::new(raw.domain).ok_or_else(|| nonsense(raw))?,
            uuid: DomainUuid::from_bytes(raw.handle),
            flags,
            shutdown: flags
                .contains(DomainFlags::SHUTDOWN)
                .then(|| ShutdownReason::from(reason.to_le_bytes()[0])),
            current_pages: PageCount(raw.tot_pages),
            max_pages: PageCount(raw.max_pages),
            outstanding_pages: PageCount(raw.outstanding_pages),
            shared_pages: PageCount(raw.shr_pages),
            paged_pages: PageCount(raw.paged_pages),
            shared_info_frame: Mfn(raw.shared_info_frame),
            cpu_time: Duration::from_nanos(raw.cpu_time),
            online_vcpus: raw.nr_online_vcpus,
            // XEN_INVALID_MAX_VCPU_ID, xen/include/public/domctl.h
            max_vcpu_id: (raw.max_vcpu_id != u32::MAX).then_some(raw.max_vcpu_id),
            ssidref: raw.ssidref,
            cpupool: raw.cpupool,
            address_bits: raw.gpaddr_bits,
            emulation_flags: raw.arch_config.emulation_flags,
        })
    }
}

impl Xc {
    /// All domains, in order of their ids. One hypercall for up to 31 of them and one more per 1024
    /// others: a domain created or destroyed meanwhile may or may not be among them.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege, [`Kind::Other`](crate::Kind::Other)
    /// for a list that is not in order.
    #[doc(alias = "xc_domain_getinfolist")]
    pub fn domains(&self) -> Result<Vec<DomainInfo>> {
        self.list_domains().map_err(|e| Error::new("list the domains", e))
    }

    /// One domain.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if it does not exist,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_domain_getinfo_single")]
    #[doc(alias = "xc_domain_getinfo")]
    pub fn info(&self, dom: DomId) -> Result<DomainInfo> {
        let fail = |cause: Cause| Error::on("read its state", dom, cause);
        let found = self.backend.domain_getinfolist(dom.into(), 1).map_err(|e| fail(e.into()))?;
        // The call lists from an id on, so an absent domain is answered with the next one.
        let raw =
            found.first().filter(|d| d.domain == dom.raw()).ok_or(fail(Cause::NoSuchDomain))?;
        DomainInfo::from_raw(raw).map_err(|e| fail(e.into()))
    }

    fn list_domains(&self) -> Result<Vec<DomainInfo>, CallError> {
        let (mut domains, mut first, mut room) = (Vec::new(), 0, FIRST_BATCH);
        loop {
            let batch = self.backend.domain_getinfolist(first, room)?;
            for raw in &batch {
                // Ids ascend (do_sysctl, xen/common/sysctl.c). If they did not, this might never end.
                if u32::from(raw.domain) < first {
                    return Err(nonsense(raw));
                }
                first = u32::from(raw.domain) + 1;
                domains.push(DomainInfo::from_raw(raw)?);
            }
            if batch.len() < room as usize {
                return Ok(domains);
            }
            room = BATCH;
        }
    }
}

fn nonsense(raw: &backend::DomainInfo) -> CallError {
    CallError::Nonsense { call: "xc_domain_getinfolist", answer: raw.domain.into() }
}

/// They fit into one page of hypercall buffer, and few hosts have more. libxenctrl copies the whole
/// buffer, whatever is in it.
const FIRST_BATCH: u32 = 32;

/// 1024 entries are 112 KiB of hypercall buffer.
const BATCH: u32 = 1024;

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
