//! The memory map a domain is told.

use xen_types::{Bytes, DomId, KiB};

use crate::{Error, Result, Xc, backend};

/// One range of the memory map that a domain is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct E820Entry {
    /// The guest-physical address at which it starts.
    pub start: u64,
    /// Its length.
    pub size: Bytes,
    /// What is there.
    pub kind: E820Kind,
}

/// What a range of a memory map is (ACPI 6.5, table 15.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum E820Kind {
    /// Usable memory.
    Ram = 1,
    /// Not to be used.
    Reserved = 2,
    /// ACPI tables, usable once read.
    Acpi = 3,
    /// Memory that ACPI keeps over a suspend.
    Nvs = 4,
    /// Faulty memory.
    Unusable = 5,
}

impl Xc {
    /// Limits the memory map that PV `dom` is told to `limit`.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_domain_set_memmap_limit")]
    pub fn set_memory_map_limit(&self, dom: DomId, limit: KiB) -> Result<()> {
        self.backend
            .domain_set_memmap_limit(dom, limit)
            .map_err(|e| Error::on(format!("limit the memory map to {limit}"), dom, e))
    }

    /// Sets the memory map that `dom` is told.
    ///
    /// # Errors
    /// [`Kind::NotFound`](crate::Kind::NotFound) if `dom` is gone,
    /// [`Kind::Invalid`](crate::Kind::Invalid) for too many ranges.
    #[doc(alias = "xc_domain_set_memory_map")]
    pub fn set_memory_map(&self, dom: DomId, map: &[E820Entry]) -> Result<()> {
        let raw: Vec<_> = map
            .iter()
            .map(|range| backend::E820Entry {
                addr: range.start,
                size: range.size.get(),
                type_: range.kind as u32,
            })
            .collect();
        self.backend
            .domain_set_memory_map(dom, &raw)
            .map_err(|e| Error::on(format!("set a memory map of {} ranges", map.len()), dom, e))
    }
}
