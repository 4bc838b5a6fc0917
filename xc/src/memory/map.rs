//! Memory maps: what a domain is told, what the machine has, what devices need.

use rustix::io::Errno;
use xen_types::{Bytes, DomId, KiB, Mfn, PageCount, Sbdf};
use xenctrl_sys::{E820_ACPI, E820_NVS, E820_RAM, E820_RESERVED, E820_UNUSABLE, XENMEM_RDM_ALL};

use super::vnuma::again;
use crate::backend::{self, CallError};
use crate::{Error, Result, Xc};

/// One range of a memory map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct E820Entry {
    /// The physical address at which it starts, the guest's or the machine's.
    pub start: u64,
    /// Its length.
    pub size: Bytes,
    /// What is there.
    pub kind: E820Kind,
}

/// What a range of a memory map is (ACPI 6.5, table 15.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum E820Kind {
    /// Usable memory.
    Ram,
    /// Not to be used.
    Reserved,
    /// ACPI tables, usable once read.
    Acpi,
    /// Memory that ACPI keeps over a suspend.
    Nvs,
    /// Faulty memory.
    Unusable,
    /// A number not known here.
    Unknown(u32),
}

impl E820Kind {
    /// The number in the map.
    pub const fn raw(self) -> u32 {
        match self {
            Self::Ram => E820_RAM,
            Self::Reserved => E820_RESERVED,
            Self::Acpi => E820_ACPI,
            Self::Nvs => E820_NVS,
            Self::Unusable => E820_UNUSABLE,
            Self::Unknown(raw) => raw,
        }
    }
}

impl From<u32> for E820Kind {
    fn from(raw: u32) -> Self {
        match raw {
            E820_RAM => Self::Ram,
            E820_RESERVED => Self::Reserved,
            E820_ACPI => Self::Acpi,
            E820_NVS => Self::Nvs,
            E820_UNUSABLE => Self::Unusable,
            other => Self::Unknown(other),
        }
    }
}

/// Machine memory that a device reads or writes on its own account, so that a domain the device is
/// assigned to must have it at the same addresses and use it for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservedMemory {
    /// Its first frame.
    pub start: Mfn,
    /// Its length.
    pub pages: PageCount,
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
                type_: range.kind.raw(),
            })
            .collect();
        self.backend
            .domain_set_memory_map(dom, &raw)
            .map_err(|e| Error::on(format!("set a memory map of {} ranges", map.len()), dom, e))
    }

    /// The memory map of the machine, as its firmware told Xen, with ranges added that the caller
    /// has no right to.
    ///
    /// # Errors
    /// [`Kind::Denied`](crate::Kind::Denied) without the privilege.
    #[doc(alias = "xc_get_machine_memory_map")]
    pub fn machine_memory_map(&self) -> Result<Vec<E820Entry>> {
        let entries = self.backend.get_machine_memory_map(MOST_ENTRIES);
        let entries = entries.map_err(|e| Error::new("read the machine's memory map", e))?;
        let entry = |raw: backend::E820Entry| E820Entry {
            start: raw.addr,
            size: Bytes(raw.size),
            kind: raw.type_.into(),
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    /// The memory that `device` needs at its own addresses, or that any device needs. None where Xen
    /// uses no IOMMU.
    ///
    /// # Errors
    /// [`Kind::Unavailable`](crate::Kind::Unavailable) if Xen is built without device assignment,
    /// [`Kind::Again`](crate::Kind::Again) if it changed meanwhile: two hypercalls read it, the first
    /// one how much it is.
    #[doc(alias = "xc_reserved_device_memory_map")]
    pub fn reserved_device_memory(&self, device: Option<Sbdf>) -> Result<Vec<ReservedMemory>> {
        let flags = if device.is_some() { 0 } else { XENMEM_RDM_ALL };
        let at = device.unwrap_or(Sbdf::from_raw(0));
        let read = |count: &mut u32| {
            let (segment, bus, devfn) = (at.segment(), at.bus(), at.devfn());
            self.backend.reserved_device_memory_map(flags, segment, bus, devfn, count)
        };
        let mut count = 0;
        let ranges = match read(&mut count) {
            Err(CallError::Errno(Errno::NOBUFS)) => read(&mut count).map_err(again),
            answer => answer,
        };
        let ranges = ranges.map_err(|e| match device {
            Some(device) => Error::new(format!("read the reserved memory of device {device}"), e),
            None => Error::new("read the reserved memory of all devices", e),
        })?;
        let range = |raw: backend::ReservedDeviceMemory| ReservedMemory {
            start: Mfn(raw.start_pfn),
            pages: PageCount(raw.nr_pages),
        };
        Ok(ranges.into_iter().map(range).collect())
    }
}

/// More than Xen keeps of a firmware's map, 1024 (`E820MAX`, `xen/arch/x86/include/asm/e820.h`), and
/// adds between. It refuses a buffer that is too small instead of saying how much it needs.
const MOST_ENTRIES: u32 = 4096;
