//! The security module FLASK.

use std::ffi::{c_char, c_int, c_uint, c_ulong};

use crate::xc_interface;

crate::functions! {
    /// The security module FLASK.
    ///
    /// Strings are terminated and only read, though the prototypes allow more.
    pub struct FlaskFunctions;

    /// Loads a policy of so many bytes.
    flask_load = "xc_flask_load": (*mut xc_interface, *mut [c_char; 0], u32) -> c_int;
    /// The version of policies that Xen takes.
    flask_policyvers = "xc_flask_policyvers": (*mut xc_interface) -> c_int;
    /// Whether the policy is enforced: 1 or 0.
    flask_getenforce = "xc_flask_getenforce": (*mut xc_interface) -> c_int;
    /// Enforces the policy or not.
    flask_setenforce = "xc_flask_setenforce": (*mut xc_interface, c_int) -> c_int;

    /// The number of a context: context, its length, number (written).
    flask_context_to_sid = "xc_flask_context_to_sid":
        (*mut xc_interface, *mut [c_char; 0], u32, *mut u32) -> c_int;
    /// The context of a number: number, context (written), room for it.
    flask_sid_to_context = "xc_flask_sid_to_context":
        (*mut xc_interface, c_int, *mut [c_char; 0], u32) -> c_int;
    /// Gives a domain another label.
    flask_relabel_domain = "xc_flask_relabel_domain": (*mut xc_interface, u32, u32) -> c_int;

    /// A boolean by its number: number, name (written), room for it, value and pending value
    /// (written).
    flask_getbool_byid = "xc_flask_getbool_byid":
        (*mut xc_interface, c_int, *mut [c_char; 0], u32, *mut c_int, *mut c_int) -> c_int;
    /// A boolean by its name: name, value and pending value (written).
    flask_getbool_byname = "xc_flask_getbool_byname":
        (*mut xc_interface, *mut [c_char; 0], *mut c_int, *mut c_int) -> c_int;
    /// Sets a boolean: name, value, and an argument that is not looked at.
    flask_setbool = "xc_flask_setbool":
        (*mut xc_interface, *mut [c_char; 0], c_int, c_int) -> c_int;

    /// What one context may do to another: contexts, class, asked for, and (all written, or null)
    /// allowed, decided, to be audited when allowed and when denied, sequence number.
    flask_access = "xc_flask_access":
        (*mut xc_interface, *const [c_char; 0], *const [c_char; 0], u16, u32, *mut u32, *mut u32,
         *mut u32, *mut u32, *mut u32) -> c_int;

    /// Labels a PIRQ.
    flask_add_pirq = "xc_flask_add_pirq":
        (*mut xc_interface, c_uint, *mut [c_char; 0]) -> c_int;
    /// Labels I/O ports: first, last.
    flask_add_ioport = "xc_flask_add_ioport":
        (*mut xc_interface, c_ulong, c_ulong, *mut [c_char; 0]) -> c_int;
    /// Labels frames of I/O memory: first, last.
    flask_add_iomem = "xc_flask_add_iomem":
        (*mut xc_interface, c_ulong, c_ulong, *mut [c_char; 0]) -> c_int;
    /// Labels a PCI function.
    flask_add_device = "xc_flask_add_device":
        (*mut xc_interface, c_ulong, *mut [c_char; 0]) -> c_int;
    /// Takes the label of a PIRQ.
    flask_del_pirq = "xc_flask_del_pirq": (*mut xc_interface, c_uint) -> c_int;
    /// Takes the label of I/O ports.
    flask_del_ioport = "xc_flask_del_ioport": (*mut xc_interface, c_ulong, c_ulong) -> c_int;
    /// Takes the label of I/O memory.
    flask_del_iomem = "xc_flask_del_iomem": (*mut xc_interface, c_ulong, c_ulong) -> c_int;
    /// Takes the label of a PCI function.
    flask_del_device = "xc_flask_del_device": (*mut xc_interface, c_ulong) -> c_int;

    /// The cache's hash table as text: text (written), room for it.
    flask_avc_hashstats = "xc_flask_avc_hashstats":
        (*mut xc_interface, *mut [c_char; 0], c_int) -> c_int;
    /// The cache's use per processor as text.
    flask_avc_cachestats = "xc_flask_avc_cachestats":
        (*mut xc_interface, *mut [c_char; 0], c_int) -> c_int;
    /// From how many entries on the cache is cleared.
    flask_getavc_threshold = "xc_flask_getavc_threshold": (*mut xc_interface) -> c_int;
    /// Sets that.
    flask_setavc_threshold = "xc_flask_setavc_threshold": (*mut xc_interface, c_int) -> c_int;
}
