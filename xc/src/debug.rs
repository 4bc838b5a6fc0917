//! Debuggers, buttons and lines of a domain.

use xen_types::DomId;
use xenctrl_sys::{
    XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF, XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON,
    XEN_DOMCTL_SENDTRIGGER_INIT, XEN_DOMCTL_SENDTRIGGER_NMI, XEN_DOMCTL_SENDTRIGGER_POWER,
    XEN_DOMCTL_SENDTRIGGER_RESET, XEN_DOMCTL_SENDTRIGGER_SLEEP,
};

use crate::{Error, Result, Xc};

/// A line or a button of a machine (`XEN_DOMCTL_SENDTRIGGER_*`, `xen/include/public/domctl.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u32)]
pub enum Trigger {
    /// A non-maskable interrupt of one virtual CPU.
    Nmi = XEN_DOMCTL_SENDTRIGGER_NMI,
    /// The reset line. No x86 Xen up to 4.22 carries it out.
    Reset = XEN_DOMCTL_SENDTRIGGER_RESET,
    /// The INIT line. No x86 Xen up to 4.22 carries it out.
    Init = XEN_DOMCTL_SENDTRIGGER_INIT,
    /// The power button of HVM and PVH.
    Power = XEN_DOMCTL_SENDTRIGGER_POWER,
    /// The sleep button of HVM and PVH.
    Sleep = XEN_DOMCTL_SENDTRIGGER_SLEEP,
}

impl Xc {
    /// Presses a button of `dom` or raises a line of virtual CPU `vcpu` of it. The virtual CPU must
    /// exist for a button too.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` or its virtual CPU does not exist,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a button of PV,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if Xen does not carry it out.
    #[doc(alias = "xc_domain_send_trigger")]
    pub fn send_trigger(&self, dom: DomId, trigger: Trigger, vcpu: u32) -> Result<()> {
        self.backend
            .domain_send_trigger(dom, trigger as u32, vcpu)
            .map_err(|e| Error::on(format!("trigger {trigger:?} of virtual CPU {vcpu}"), dom, e))
    }

    /// Attaches a debugger to `dom` or detaches it. With one, a breakpoint or a single step
    /// [pauses](Xc::pause) the domain instead of being the guest's affair.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for the caller's own domain.
    #[doc(alias = "xc_domain_setdebugging")]
    pub fn set_debugging(&self, dom: DomId, attached: bool) -> Result<()> {
        self.backend
            .domain_setdebugging(dom, attached)
            .map_err(|e| Error::on(format!("set debugging to {attached}"), dom, e))
    }

    /// Lets virtual CPU `vcpu` of HVM or PVH `dom` stop after every instruction, or no longer.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for PV or a virtual CPU that it does not have,
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) without the processor's monitor trap flag,
    /// which AMD's do not have.
    #[doc(alias = "xc_domain_debug_control")]
    pub fn set_single_step(&self, dom: DomId, vcpu: u32, on: bool) -> Result<()> {
        let operation = if on {
            XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_ON
        } else {
            XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF
        };
        self.backend.domain_debug_control(dom, operation, vcpu).map_err(|e| {
            Error::on(format!("set single steps of virtual CPU {vcpu} to {on}"), dom, e)
        })
    }
}
