//! What becomes of domains: pauses, shutdown, death.
//!
//! ```text
//!   created, paused once ──unpause──▶ runs ──shut down──▶ stays ──destroy──▶ dead ──▶ gone
//!                                                                    its pages that others map,
//!                                                                    a device model of it alive
//! ```

use rustix::io::Errno;
use xc::backend::DomainInfo;
use xen_types::DomId;
use xenctrl_sys::{
    Release, XEN_DOMINF_BLOCKED, XEN_DOMINF_DEBUGGED, XEN_DOMINF_DYING, XEN_DOMINF_HAP,
    XEN_DOMINF_HVM_GUEST, XEN_DOMINF_PAUSED, XEN_DOMINF_RUNNING, XEN_DOMINF_SHUTDOWN,
    XEN_DOMINF_SHUTDOWN_SHIFT, XEN_DOMINF_XS_DOMAIN,
};

use super::domain::Domain;
use super::ports::VIRQ_DOM_EXC;
use super::{Outcome, SUSPEND, Xen};

impl Xen {
    /// `XEN_DOMCTL_pausedomain`.
    pub(crate) fn pause(&mut self, dom: DomId) -> Outcome<()> {
        let domain = self.other(dom)?;
        domain.pauses = domain.pauses.checked_add(1).ok_or(Errno::USERS)?;
        Ok(())
    }

    /// `XEN_DOMCTL_unpausedomain`.
    pub(crate) fn unpause(&mut self, dom: DomId) -> Outcome<()> {
        let domain = self.dom(dom)?;
        domain.pauses = domain.pauses.checked_sub(1).ok_or(Errno::INVAL)?;
        Ok(())
    }

    /// `domain_shutdown`, also of a domain by itself: the first reason counts.
    pub(crate) fn shut_down(&mut self, dom: DomId, reason: u8) -> Outcome<()> {
        let domain = self.dom(dom)?;
        if domain.shutdown_code.is_some() {
            return Ok(());
        }
        domain.shutdown_code = Some(reason);
        domain.is_shut_down = true;
        let suspend_port = domain.suspend_port.filter(|_| reason == SUSPEND);
        self.wake(dom);
        match suspend_port {
            Some(port) => self.send(dom, xen_types::Port(port)),
            None => {
                self.raise_virq(VIRQ_DOM_EXC);
                Ok(())
            }
        }
    }

    /// `domain_resume`.
    pub(crate) fn resume(&mut self, dom: DomId) -> Outcome<()> {
        let domain = self.other(dom)?;
        domain.shutdown_code = None;
        domain.is_shut_down = false;
        Ok(())
    }

    /// `domain_soft_reset`.
    pub(crate) fn soft_reset(&mut self, dom: DomId) -> Outcome<()> {
        let domain = self.other(dom)?;
        let runs = !domain.vcpus.is_empty() && domain.shutdown_code.is_none();
        if runs || domain.pauses == 0 {
            return Err(Errno::INVAL);
        }
        self.close_ports(dom)?;
        if !self.dom(dom)?.is_hvm() {
            self.shut_down(dom, CRASH)?;
            return Err(Errno::INVAL);
        }
        self.resume(dom)
    }

    /// `evtchn_reset` of a domain that is not the caller's own.
    pub(crate) fn reset_ports(&mut self, dom: DomId) -> Outcome<()> {
        if self.other(dom)?.pauses == 0 {
            return Err(Errno::INVAL);
        }
        self.close_ports(dom)
    }

    /// `domain_kill`. What others have mapped stays, and the domain with it.
    pub(crate) fn destroy(&mut self, dom: DomId) -> Outcome<()> {
        let domain = self.other(dom)?;
        if domain.dead {
            return Ok(());
        }
        domain.dead = true;
        domain.memory.outstanding = 0;
        let pages = domain.memory.pages.clone();
        let pool = std::mem::take(&mut domain.memory.pool);
        self.wake(dom);
        self.close_ports(dom)?;
        self.virq_handlers.retain(|_, handler| *handler != dom);
        pages.into_iter().for_each(|page| self.release(dom, page));
        pool.frames.into_iter().for_each(|frame| self.heap.give(frame));
        self.raise_virq(VIRQ_DOM_EXC);
        self.bury(dom);
        Ok(())
    }

    /// Ends what is left of a dead domain once nobody refers to it (`complete_domain_destroy`).
    pub(crate) fn bury(&mut self, dom: DomId) {
        let referred = self.domains.values().any(|other| other.target == Some(dom));
        let over = |domain: &Domain| domain.dead && domain.memory.pages.is_empty();
        if referred || !self.domains.get(&dom).is_some_and(over) {
            return;
        }
        let target = self.domains.remove(&dom).and_then(|domain| domain.target);
        if let Some(target) = target {
            self.bury(target);
        }
        self.raise_virq(VIRQ_DOM_EXC);
    }

    /// `XEN_DOMCTL_set_target`.
    pub(crate) fn set_target(&mut self, dom: DomId, target: DomId) -> Outcome<()> {
        self.dom(dom)?;
        let hvm = self.dom(target)?.is_hvm();
        let model = self.dom(dom)?;
        if dom == target || model.target.is_some() {
            return Err(Errno::INVAL);
        }
        if !hvm {
            return Err(Errno::OPNOTSUPP);
        }
        model.target = Some(target);
        Ok(())
    }

    /// `XEN_SYSCTL_getdomaininfolist`.
    pub(crate) fn info_list(&self, first: u32, max: u32) -> Vec<DomainInfo> {
        let from = self.domains.values().filter(|domain| u32::from(domain.id) >= first);
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        from.take(max).map(|domain| info(domain, self.release)).collect()
    }
}

/// `getdomaininfo` (`xen/common/domctl.c`).
fn info(domain: &Domain, release: Release) -> DomainInfo {
    let online = || domain.vcpus.iter().filter(|vcpu| vcpu.online);
    let any_online = online().next().is_some();
    let flags = [
        (domain.dead, XEN_DOMINF_DYING),
        (domain.is_hvm(), XEN_DOMINF_HVM_GUEST),
        (domain.is_shut_down, XEN_DOMINF_SHUTDOWN),
        (domain.pauses > 0, XEN_DOMINF_PAUSED),
        (any_online && online().all(|vcpu| vcpu.blocked), XEN_DOMINF_BLOCKED),
        (online().any(|vcpu| vcpu.running), XEN_DOMINF_RUNNING),
        (domain.debugged, XEN_DOMINF_DEBUGGED),
        (domain.is_xenstore(), XEN_DOMINF_XS_DOMAIN),
        (domain.has_hap(), XEN_DOMINF_HAP),
    ];
    let flags: u32 = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| flag).sum();
    // Before a shutdown the code is all ones, also above its 8 bits.
    let code = domain.shutdown_code.map_or(u32::MAX, u32::from);
    let highest = domain.vcpus.len().checked_sub(1).and_then(|id| u32::try_from(id).ok());
    DomainInfo {
        domain: domain.id.raw(),
        flags: flags | code << XEN_DOMINF_SHUTDOWN_SHIFT,
        tot_pages: domain.memory.total(),
        max_pages: domain.memory.max_pages,
        outstanding_pages: domain.memory.outstanding,
        cpu_time: domain.vcpus.iter().map(|vcpu| vcpu.time).sum(),
        nr_online_vcpus: u32::try_from(online().count()).unwrap_or(u32::MAX),
        max_vcpu_id: highest.unwrap_or(u32::MAX),
        ssidref: domain.config.ssidref,
        handle: domain.handle,
        cpupool: domain.config.cpupool_id,
        gpaddr_bits: if release >= Release::new(4, 16) { ADDRESS_BITS } else { 0 },
        arch_config: domain.config.arch,
        ..DomainInfo::default()
    }
}

/// `SHUTDOWN_crash` (`xen/include/public/sched.h`).
const CRASH: u8 = 3;
/// Of the emulated processor's physical addresses.
const ADDRESS_BITS: u8 = 40;
