//! The security module FLASK.

use std::ffi::{CStr, CString};

use xen_types::DomId;

calls! {
    /// The security module FLASK.
    pub trait FlaskCalls;

    "xc_flask_load" fn flask_load(&self, policy: &[u8]) -> ();
    "xc_flask_policyvers" fn flask_policyvers(&self) -> u32;
    "xc_flask_getenforce" fn flask_getenforce(&self) -> u32;
    "xc_flask_setenforce" fn flask_setenforce(&self, mode: i32) -> ();

    "xc_flask_context_to_sid" fn flask_context_to_sid(&self, context: &CStr) -> u32;
    /// With room for so many bytes.
    "xc_flask_sid_to_context" fn flask_sid_to_context(&self, sid: i32, room: usize) -> CString;
    "xc_flask_relabel_domain" fn flask_relabel_domain(&self, dom: DomId, sid: u32) -> ();

    /// Name, value, pending value; with room for so many bytes of it.
    "xc_flask_getbool_byid" fn flask_getbool_byid(
        &self, id: i32, room: usize
    ) -> (CString, i32, i32);
    /// Value, pending value.
    "xc_flask_getbool_byname" fn flask_getbool_byname(&self, name: &CStr) -> (i32, i32);
    "xc_flask_setbool" fn flask_setbool(&self, name: &CStr, value: i32, commit: i32) -> ();

    "xc_flask_access" fn flask_access(
        &self, source: &CStr, target: &CStr, class: u16, asked: u32
    ) -> AccessDecision;

    "xc_flask_add_pirq" fn flask_add_pirq(&self, pirq: u32, context: &CStr) -> ();
    "xc_flask_add_ioport" fn flask_add_ioport(&self, low: u64, high: u64, context: &CStr) -> ();
    "xc_flask_add_iomem" fn flask_add_iomem(&self, low: u64, high: u64, context: &CStr) -> ();
    "xc_flask_add_device" fn flask_add_device(&self, device: u64, context: &CStr) -> ();
    "xc_flask_del_pirq" fn flask_del_pirq(&self, pirq: u32) -> ();
    "xc_flask_del_ioport" fn flask_del_ioport(&self, low: u64, high: u64) -> ();
    "xc_flask_del_iomem" fn flask_del_iomem(&self, low: u64, high: u64) -> ();
    "xc_flask_del_device" fn flask_del_device(&self, device: u64) -> ();

    /// With room for so many bytes.
    "xc_flask_avc_hashstats" fn flask_avc_hashstats(&self, room: usize) -> CString;
    /// The same.
    "xc_flask_avc_cachestats" fn flask_avc_cachestats(&self, room: usize) -> CString;
    "xc_flask_getavc_threshold" fn flask_getavc_threshold(&self) -> u32;
    "xc_flask_setavc_threshold" fn flask_setavc_threshold(&self, threshold: i32) -> ();
}

/// What `xc_flask_access` fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names of the arguments in xenctrl.h")]
pub struct AccessDecision {
    pub allowed: u32,
    pub decided: u32,
    pub auditallow: u32,
    pub auditdeny: u32,
    pub seqno: u32,
}
