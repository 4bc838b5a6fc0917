//! What only HVM and PVH domains have.

crate::constants! {
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_CALLBACK_IRQ: u32 = 0;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_STORE_PFN: u32 = 1;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_STORE_EVTCHN: u32 = 2;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_PAE_ENABLED: u32 = 4;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_IOREQ_PFN: u32 = 5;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_BUFIOREQ_PFN: u32 = 6;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_VIRIDIAN: u32 = 9;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_TIMER_MODE: u32 = 10;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_HPET_ENABLED: u32 = 11;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_IDENT_PT: u32 = 12;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_DM_DOMAIN: u32 = 13;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_ACPI_S_STATE: u32 = 14;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_VM86_TSS: u32 = 15;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_VPT_ALIGN: u32 = 16;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_CONSOLE_PFN: u32 = 17;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_CONSOLE_EVTCHN: u32 = 18;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_ACPI_IOPORTS_LOCATION: u32 = 19;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_CR0: u32 = 20;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_CR3: u32 = 21;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_CR4: u32 = 22;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_INT3: u32 = 23;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_NESTEDHVM: u32 = 24;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_SINGLE_STEP: u32 = 25;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_BUFIOREQ_EVTCHN: u32 = 26;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_PAGING_RING_PFN: u32 = 27;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MONITOR_RING_PFN: u32 = 28;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_SHARING_RING_PFN: u32 = 29;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MEMORY_EVENT_MSR: u32 = 30;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_TRIPLE_FAULT_REASON: u32 = 31;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_IOREQ_SERVER_PFN: u32 = 32;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_NR_IOREQ_SERVER_PAGES: u32 = 33;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_VM_GENERATION_ID_ADDR: u32 = 34;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_ALTP2M: u32 = 35;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_X87_FIP_WIDTH: u32 = 36;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_VM86_TSS_SIZED: u32 = 37;
    #[allow(missing_docs, reason = "xen/include/public/hvm/params.h explains it")]
    HVM_PARAM_MCA_CAP: u32 = 38;
    /// Not cached.
    XEN_DOMCTL_MEM_CACHEATTR_UC: u32 = 0;
    /// Writes are combined.
    XEN_DOMCTL_MEM_CACHEATTR_WC: u32 = 1;
    /// Writes go through.
    XEN_DOMCTL_MEM_CACHEATTR_WT: u32 = 4;
    /// Writes are not cached.
    XEN_DOMCTL_MEM_CACHEATTR_WP: u32 = 5;
    /// Cached.
    XEN_DOMCTL_MEM_CACHEATTR_WB: u32 = 6;
    /// Not cached, unless the guest has it otherwise.
    XEN_DOMCTL_MEM_CACHEATTR_UCM: u32 = 7;
}
