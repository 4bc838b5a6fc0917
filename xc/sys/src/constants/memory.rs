//! Operations on memory, and where it comes from and goes to.

crate::constants! {
    /// Asks for the size of the shadow or HAP pool, in MiB.
    XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION: u32 = 30;
    /// Sets the size of the shadow or HAP pool, in MiB.
    XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION: u32 = 31;
    /// What of a domain's memory is filled in when the domain first touches it.
    XENMEMF_POPULATE_ON_DEMAND ("XENMEMF_populate_on_demand"): u32 = 1 << 16;
    /// The node of the flags is a must.
    XENMEMF_EXACT_NODE_REQUEST ("XENMEMF_exact_node_request"): u32 = 1 << 17;
    /// The node of the flags is one of the domain's virtual ones.
    XENMEMF_VNODE ("XENMEMF_vnode"): u32 = 1 << 18;
    /// The flags for the first node: the number plus one stands in the second byte.
    XENMEMF_NODE_0 ("XENMEMF_node(0)"): u32 = 1 << 8;
    /// The page that a domain shares with Xen.
    XENMAPSPACE_SHARED_INFO ("XENMAPSPACE_shared_info"): u32 = 0;
    /// The frames of a domain's grant table.
    XENMAPSPACE_GRANT_TABLE ("XENMAPSPACE_grant_table"): u32 = 1;
    /// A domain's own guest frames.
    XENMAPSPACE_GMFN ("XENMAPSPACE_gmfn"): u32 = 2;
    /// The guest frames of another domain.
    XENMAPSPACE_GMFN_FOREIGN ("XENMAPSPACE_gmfn_foreign"): u32 = 4;
    /// Marks an index into the grant table as one of the status frames, of version 2.
    XENMAPIDX_GRANT_TABLE_STATUS ("XENMAPIDX_grant_table_status"): u64 = 0x8000_0000;
    /// Asks for what all devices need, not one.
    XENMEM_RDM_ALL: u32 = 1;
    /// Usable memory.
    E820_RAM: u32 = 1;
    /// Not to be used.
    E820_RESERVED: u32 = 2;
    /// ACPI tables.
    E820_ACPI: u32 = 3;
    /// Memory that ACPI keeps over a suspend.
    E820_NVS: u32 = 4;
    /// Faulty memory.
    E820_UNUSABLE: u32 = 5;
}
