//! The life, identity and time of domains.

use rustix::io::Errno;
use xc::backend::{CreateDomain, DomainCalls, DomainInfo};
use xen_types::{DomId, Port};

use super::{Answer, Handle};

impl DomainCalls for Handle {
    fn domain_create(&self, domid: u32, config: &CreateDomain) -> Answer<u32> {
        // What the structure of an older release cannot carry, the real seam refuses too.
        let unsupported = |call| xc::backend::CallError::Unsupported { call, xen: self.release };
        if self.release < xc::Release::new(4, 19) {
            config.to_v4_17().map_err(unsupported)?;
        } else if self.release < xc::Release::new(4, 21) {
            config.to_v4_19().map_err(unsupported)?;
        }
        self.call("xc_domain_create", |xen| xen.create(domid, config).map(u32::from))
    }

    fn domain_destroy(&self, dom: DomId) -> Answer<()> {
        self.call("xc_domain_destroy", |xen| xen.destroy(dom))
    }

    fn domain_pause(&self, dom: DomId) -> Answer<()> {
        self.call("xc_domain_pause", |xen| xen.pause(dom))
    }

    fn domain_unpause(&self, dom: DomId) -> Answer<()> {
        let unpaused = self.call("xc_domain_unpause", |xen| xen.unpause(dom));
        // Also if nobody hears of it.
        self.process.machine().boot(dom);
        unpaused
    }

    fn domain_shutdown(&self, dom: DomId, reason: i32) -> Answer<()> {
        // Xen takes the lowest 8 bits.
        self.call("xc_domain_shutdown", |xen| xen.shut_down(dom, reason.to_le_bytes()[0]))
    }

    fn domain_getinfolist(&self, first: u32, max: u32) -> Answer<Vec<DomainInfo>> {
        self.ask("xc_domain_getinfolist", |xen| xen.info_list(first, max))
    }

    fn domain_sethandle(&self, dom: DomId, handle: [u8; 16]) -> Answer<()> {
        self.call("xc_domain_sethandle", |xen| {
            xen.dom(dom)?.handle = handle;
            Ok(())
        })
    }

    fn domain_set_target(&self, dom: DomId, target: DomId) -> Answer<()> {
        self.call("xc_domain_set_target", |xen| xen.set_target(dom, target))
    }

    fn domain_soft_reset(&self, dom: DomId) -> Answer<()> {
        self.call("xc_domain_soft_reset", |xen| xen.soft_reset(dom))
    }

    fn domain_subscribe_for_suspend(&self, dom: DomId, port: Port) -> Answer<()> {
        self.call("xc_domain_subscribe_for_suspend", |xen| {
            xen.dom(dom)?.suspend_port = Some(port.0);
            Ok(())
        })
    }

    fn domain_set_virq_handler(&self, dom: DomId, virq: i32) -> Answer<()> {
        self.call("xc_domain_set_virq_handler", |xen| {
            xen.set_virq_handler(dom, u32::try_from(virq).map_err(|_| Errno::INVAL)?)
        })
    }

    fn domain_get_guest_width(&self, dom: DomId) -> Answer<u32> {
        self.call("xc_domain_get_guest_width", |xen| match xen.dom(dom)?.is_hvm() {
            true => Err(Errno::OPNOTSUPP),
            false => Ok(8),
        })
    }

    fn domain_set_access_required(&self, dom: DomId, _required: bool) -> Answer<()> {
        self.call("xc_domain_set_access_required", |xen| match xen.dom(dom)?.id {
            DomId::DOM0 => Err(Errno::PERM),
            _ => Ok(()),
        })
    }

    fn domain_setdebugging(&self, dom: DomId, enable: bool) -> Answer<()> {
        self.call("xc_domain_setdebugging", |xen| {
            xen.other(dom)?.debugged = enable;
            Ok(())
        })
    }

    fn domain_get_tsc_info(&self, dom: DomId) -> Answer<(u32, u64, u32, u32)> {
        self.call("xc_domain_get_tsc_info", |xen| xen.tsc(dom))
    }

    fn domain_set_tsc_info(
        &self,
        dom: DomId,
        mode: u32,
        elapsed: u64,
        khz: u32,
        incarnation: u32,
    ) -> Answer<()> {
        let of = (khz, incarnation);
        self.call("xc_domain_set_tsc_info", |xen| xen.set_tsc(dom, mode, elapsed, of))
    }
}
