//! What can be asked of the hypervisor.

crate::constants! {
    /// The version's major and minor number.
    XENVER_VERSION ("XENVER_version"): i32 = 0;
    /// The version's last part, a string of at most 15 characters.
    XENVER_EXTRAVERSION ("XENVER_extraversion"): i32 = 1;
    /// Who built it, when and with what.
    XENVER_COMPILE_INFO ("XENVER_compile_info"): i32 = 2;
    /// The interfaces that guests may use, a string of at most 1023 characters.
    XENVER_CAPABILITIES ("XENVER_capabilities"): i32 = 3;
    /// The revision it was built from, a string of at most 63 characters.
    XENVER_CHANGESET ("XENVER_changeset"): i32 = 4;
    /// Where the hypervisor starts in the address space.
    XENVER_PLATFORM_PARAMETERS ("XENVER_platform_parameters"): i32 = 5;
    /// What the calling domain may use, 32 bits.
    XENVER_GET_FEATURES ("XENVER_get_features"): i32 = 6;
    /// The size of a page.
    XENVER_PAGESIZE ("XENVER_pagesize"): i32 = 7;
    /// The UUID of the calling domain.
    XENVER_GUEST_HANDLE ("XENVER_guest_handle"): i32 = 8;
    /// The hypervisor's command line, a string of at most 1023 characters.
    XENVER_COMMANDLINE ("XENVER_commandline"): i32 = 9;
    /// What the linker made of the hypervisor's contents, bytes.
    XENVER_BUILD_ID ("XENVER_build_id"): i32 = 10;
    /// The processor's core is not known: it is not there.
    XEN_INVALID_CORE_ID: u32 = u32::MAX;
    /// The processor's socket is not known: it is not there.
    XEN_INVALID_SOCKET_ID: u32 = u32::MAX;
    /// There is no node, or none is known.
    XEN_INVALID_NODE_ID: u32 = u32::MAX;
    /// The node's memory is not known: it is offline.
    XEN_INVALID_MEM_SZ: u32 = u32::MAX;
    /// The distance between two nodes is not known.
    XEN_INVALID_NODE_DIST: u32 = u32::MAX;
    /// The device is not known to Xen.
    XEN_INVALID_DEV: u32 = u32::MAX - 1;
    /// Bit: the domain's page tables need not be read-only.
    XENFEAT_WRITABLE_PAGE_TABLES ("XENFEAT_writable_page_tables"): u32 = 0;
    /// Bit: the domain's descriptor tables need not be read-only.
    XENFEAT_WRITABLE_DESCRIPTOR_TABLES ("XENFEAT_writable_descriptor_tables"): u32 = 1;
    /// Bit: Xen translates the domain's frame numbers.
    XENFEAT_AUTO_TRANSLATED_PHYSMAP ("XENFEAT_auto_translated_physmap"): u32 = 2;
    /// Bit: the domain's kernel runs in ring 0.
    XENFEAT_SUPERVISOR_MODE_KERNEL ("XENFEAT_supervisor_mode_kernel"): u32 = 3;
    /// Bit: page directories may lie above 4 GiB.
    XENFEAT_PAE_PGDIR_ABOVE_4GB ("XENFEAT_pae_pgdir_above_4gb"): u32 = 4;
    /// Bit: page-table updates can keep the accessed and dirty bits.
    XENFEAT_MMU_PT_UPDATE_PRESERVE_AD ("XENFEAT_mmu_pt_update_preserve_ad"): u32 = 5;
    /// Bit: Xen clears and copies pages of high memory for the domain.
    XENFEAT_HIGHMEM_ASSIST ("XENFEAT_highmem_assist"): u32 = 6;
    /// Bit: mappings of grants carry the available bits.
    XENFEAT_GNTTAB_MAP_AVAIL_BITS ("XENFEAT_gnttab_map_avail_bits"): u32 = 7;
    /// Bit: events can arrive at a vector of each virtual CPU.
    XENFEAT_HVM_CALLBACK_VECTOR ("XENFEAT_hvm_callback_vector"): u32 = 8;
    /// Bit: the paravirtual clock is safe in HVM domains.
    XENFEAT_HVM_SAFE_PVCLOCK ("XENFEAT_hvm_safe_pvclock"): u32 = 9;
    /// Bit: HVM domains can use physical interrupts.
    XENFEAT_HVM_PIRQS ("XENFEAT_hvm_pirqs"): u32 = 10;
    /// Bit: the domain is the hardware domain.
    XENFEAT_DOM0 ("XENFEAT_dom0"): u32 = 11;
    /// Bit: memory can be allocated by virtual node.
    XENFEAT_MEMORY_OP_VNODE_SUPPORTED ("XENFEAT_memory_op_vnode_supported"): u32 = 13;
    /// Bit: the calling convention for services of ARM is supported.
    XENFEAT_ARM_SMCCC_SUPPORTED ("XENFEAT_ARM_SMCCC_supported"): u32 = 14;
    /// Bit: Linux may be given its ACPI root pointer anywhere.
    XENFEAT_LINUX_RSDP_UNRESTRICTED ("XENFEAT_linux_rsdp_unrestricted"): u32 = 15;
    /// Bit: the domain is not mapped one to one; from 4.16.
    XENFEAT_NOT_DIRECT_MAPPED ("XENFEAT_not_direct_mapped") [16, 22]: u32 = 16;
    /// Bit: the domain is mapped one to one; from 4.16.
    XENFEAT_DIRECT_MAPPED ("XENFEAT_direct_mapped") [16, 22]: u32 = 17;
    /// Bit: the run-state area can be registered by physical address; from 4.18.
    XENFEAT_RUNSTATE_PHYS_AREA ("XENFEAT_runstate_phys_area") [18, 22]: u32 = 18;
    /// Bit: the time area can be registered by physical address; from 4.18.
    XENFEAT_VCPU_TIME_PHYS_AREA ("XENFEAT_vcpu_time_phys_area") [18, 22]: u32 = 19;
    /// Bit: device models see all writes to the MSI-X table; from 4.19.
    XENFEAT_DM_MSIX_ALL_WRITES ("XENFEAT_dm_msix_all_writes") [19, 22]: u32 = 20;
}
