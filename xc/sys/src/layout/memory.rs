//! What memory is described with.

crate::c_structs! {
    /// `struct xen_reserved_device_memory` (`xen/include/public/memory.h`).
    pub struct ReservedDeviceMemory = "struct xen_reserved_device_memory" [15, 22], 16 bytes {
        0: start_pfn: u64,
        8: nr_pages: u64,
    }

    /// `struct xen_vmemrange` (`xen/include/public/memory.h`).
    pub struct VmemRange = "struct xen_vmemrange" [15, 22], 24 bytes {
        0: start: u64,
        8: end: u64,
        16: flags: u32,
        20: nid: u32,
    }
}

/// `struct e820entry` (`tools/include/xenctrl.h`), packed in C.
#[repr(C, packed)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "fields are those of the C structure")]
pub struct E820Entry {
    pub addr: u64,
    pub size: u64,
    pub type_: u32,
}

const _: () = {
    assert!(size_of::<E820Entry>() == 20);
    assert!(std::mem::offset_of!(E820Entry, size) == 8);
    assert!(std::mem::offset_of!(E820Entry, type_) == 16);
};

/// What is declared, but for what the macros declare.
pub(crate) const PACKED: &[crate::DeclaredLayout] = &[crate::DeclaredLayout {
    name: "struct e820entry",
    minors: crate::ALL_MINORS,
    size: 20,
    fields: &[("addr", 0, 8), ("size", 8, 8), ("type", 16, 4)],
}];
