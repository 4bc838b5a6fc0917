//! Structures that cross the library's boundary, the same in every release.

use xenctrl_sys::DeclaredLayout;

xenctrl_sys::c_structs! {
    /// `xen_cpuid_leaf_t` (`xen/include/public/arch-x86/xen.h`).
    pub struct CpuidLeaf = "xen_cpuid_leaf_t" [15, 22], 24 bytes {
        0: leaf: u32,
        4: subleaf: u32,
        8: a: u32,
        12: b: u32,
        16: c: u32,
        20: d: u32,
    }

    /// `xen_msr_entry_t` (`xen/include/public/arch-x86/xen.h`).
    pub struct MsrEntry = "xen_msr_entry_t" [15, 22], 16 bytes {
        0: idx: u32,
        4: flags: u32,
        8: val: u64,
    }
}

/// Every structure that is declared, but for the image.
pub fn declared_layouts() -> &'static [DeclaredLayout] {
    LAYOUTS
}

/// The subleaf of a leaf that has none (`XEN_CPUID_NO_SUBLEAF`).
pub const XEN_CPUID_NO_SUBLEAF: u32 = 0xffff_ffff;
