//! The entries of a policy.

use std::fmt;

use crate::backend::{self, XEN_CPUID_NO_SUBLEAF};

/// What CPUID answers for one leaf.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the registers' names")]
pub struct CpuidLeaf {
    /// What EAX asks for.
    pub leaf: u32,
    /// What ECX asks for, if the leaf has subleaves.
    pub subleaf: Option<u32>,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
}

/// What a model-specific register reads as.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Msr {
    /// Its number.
    pub index: u32,
    /// Its value.
    pub value: u64,
}

impl fmt::Debug for CpuidLeaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { leaf, subleaf, eax, ebx, ecx, edx } = self;
        let subleaf = subleaf.unwrap_or(XEN_CPUID_NO_SUBLEAF);
        write!(f, "{leaf:08x}:{subleaf:08x} -> {eax:08x}:{ebx:08x}:{ecx:08x}:{edx:08x}")
    }
}

impl fmt::Debug for Msr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x} -> {:016x}", self.index, self.value)
    }
}

impl From<backend::CpuidLeaf> for CpuidLeaf {
    fn from(raw: backend::CpuidLeaf) -> Self {
        let subleaf = (raw.subleaf != XEN_CPUID_NO_SUBLEAF).then_some(raw.subleaf);
        Self { leaf: raw.leaf, subleaf, eax: raw.a, ebx: raw.b, ecx: raw.c, edx: raw.d }
    }
}

impl From<CpuidLeaf> for backend::CpuidLeaf {
    fn from(leaf: CpuidLeaf) -> Self {
        let CpuidLeaf { leaf, subleaf, eax: a, ebx: b, ecx: c, edx: d } = leaf;
        Self { leaf, subleaf: subleaf.unwrap_or(XEN_CPUID_NO_SUBLEAF), a, b, c, d }
    }
}

impl From<backend::MsrEntry> for Msr {
    fn from(raw: backend::MsrEntry) -> Self {
        Self { index: raw.idx, value: raw.val }
    }
}

impl From<Msr> for backend::MsrEntry {
    fn from(msr: Msr) -> Self {
        Self { idx: msr.index, flags: 0, val: msr.value } // flags: reserved, must be zero
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_printed_as_xen_cpuid_prints_it() {
        let leaf = CpuidLeaf { leaf: 7, subleaf: Some(1), eax: 1, ebx: 2, ecx: 3, edx: 0xf };
        assert_eq!(format!("{leaf:?}"), "00000007:00000001 -> 00000001:00000002:00000003:0000000f");
        let whole = CpuidLeaf { subleaf: None, ..leaf };
        assert_eq!(
            format!("{whole:?}"),
            "00000007:ffffffff -> 00000001:00000002:00000003:0000000f"
        );
    }

    #[test]
    fn a_leaf_without_subleaves_is_marked_in_c() {
        let raw = backend::CpuidLeaf { leaf: 1, subleaf: u32::MAX, ..Default::default() };
        assert_eq!(CpuidLeaf::from(raw).subleaf, None);
        assert_eq!(backend::CpuidLeaf::from(CpuidLeaf::from(raw)), raw);
        let first = backend::CpuidLeaf { subleaf: 0, ..raw };
        assert_eq!(CpuidLeaf::from(first).subleaf, Some(0));
    }
}
