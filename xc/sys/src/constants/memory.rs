//! Operations on the paging pool.

crate::constants! {
    /// Asks for the size of the shadow or HAP pool, in MiB.
    XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
    /// Sets the size of the shadow or HAP pool, in MiB.
    XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;
}
