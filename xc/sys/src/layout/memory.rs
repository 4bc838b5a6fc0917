//! What memory is described with.

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
