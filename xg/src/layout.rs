//! Where a PVH guest's memory lies: arithmetic, no Xen.
//!
//! ```text
//! 0            low RAM            mmio_start  LAPIC, special pages  4 GiB   high RAM
//! |--------------------------------|------- hole, nothing ---------|---------------------|
//! ```
//!
//! The hole keeps the frames free that Xen and libxenguest use: the LAPIC page, the special pages
//! (store and console rings among them) and, from `mmio_start` on, the place of the ACPI tables.
//! libxl reserves the same hole for PVH (`libxl__build_hvm`, 4.17 and 4.20), so a guest finds its
//! memory where it would under libxl.

use xc::{E820Entry, E820Kind};
use xen_types::{Bytes, MiB};

/// The memory of a hardware-virtualised guest without a device model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PvhLayout {
    /// Where low RAM ends.
    pub(crate) low_end: u64,
    /// Where high RAM ends, 0 if there is none.
    pub(crate) high_end: u64,
}

impl PvhLayout {
    /// Where the hole below 4 GiB starts: `ACPI_INFO_PHYSICAL_ADDRESS` (`tools/libacpi`), the
    /// lowest of what must lie in it.
    pub(crate) const MMIO_START: u64 = 0xFC00_0000;
    /// How large the hole is.
    pub(crate) const MMIO_SIZE: u64 = FOUR_GIB - Self::MMIO_START;

    /// The layout of a guest with at most `maximum` of memory.
    pub(crate) fn new(maximum: MiB) -> Self {
        let bytes = maximum.to_bytes().get();
        if bytes <= Self::MMIO_START {
            return Self { low_end: bytes, high_end: 0 };
        }
        let above = bytes - Self::MMIO_START;
        Self { low_end: Self::MMIO_START, high_end: FOUR_GIB.saturating_add(above) }
    }

    /// The memory map that the guest is told, in libxl's order (`domain_construct_memmap`), with
    /// `acpi` bytes of tables at the start of the hole.
    pub(crate) fn memory_map(&self, acpi: Bytes) -> Vec<E820Entry> {
        let ram = |start, end| E820Entry { start, size: Bytes(end - start), kind: E820Kind::Ram };
        let special = E820Entry {
            start: SPECIAL_START,
            size: Bytes(SPECIAL_END - SPECIAL_START),
            kind: E820Kind::Reserved,
        };
        let tables = E820Entry { start: Self::MMIO_START, size: acpi, kind: E820Kind::Acpi };
        let mut map = vec![ram(0, self.low_end), special, tables];
        if self.high_end > FOUR_GIB {
            map.push(ram(FOUR_GIB, self.high_end));
        }
        map
    }
}

const FOUR_GIB: u64 = 1 << 32;
/// `X86_HVM_END_SPECIAL_REGION`, `tools/include/xenguest.h`, as an address.
const SPECIAL_END: u64 = 0xFF000 << 12;
/// `X86_HVM_NR_SPECIAL_PAGES` below it.
const SPECIAL_START: u64 = SPECIAL_END - (8 << 12);

const _: () = assert!(PvhLayout::MMIO_START < SPECIAL_START);

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(start: u64, size: u64, kind: E820Kind) -> E820Entry {
        E820Entry { start, size: Bytes(size), kind }
    }

    #[test]
    fn a_small_guest_has_low_memory_only() {
        let layout = PvhLayout::new(MiB(128));
        assert_eq!(layout, PvhLayout { low_end: 0x800_0000, high_end: 0 });
        assert_eq!(
            layout.memory_map(Bytes(0x200)),
            [
                entry(0, 0x800_0000, E820Kind::Ram),
                entry(0xFEFF_8000, 0x8000, E820Kind::Reserved),
                entry(0xFC00_0000, 0x200, E820Kind::Acpi)
            ]
        );
    }

    #[test]
    fn memory_that_reaches_the_hole_does_not_enter_it() {
        assert_eq!(PvhLayout::new(MiB(4032)), PvhLayout { low_end: 0xFC00_0000, high_end: 0 });
    }

    #[test]
    fn what_the_hole_displaces_goes_above_four_gib() {
        let layout = PvhLayout::new(MiB(4033));
        assert_eq!(layout, PvhLayout { low_end: 0xFC00_0000, high_end: 0x1_0010_0000 });
        assert_eq!(
            layout.memory_map(Bytes(0x200))[3],
            entry(0x1_0000_0000, 0x10_0000, E820Kind::Ram)
        );
    }

    #[test]
    fn no_page_is_lost_to_the_hole() {
        let layout = PvhLayout::new(MiB(8192));
        let ram: u64 = layout
            .memory_map(Bytes(0x200))
            .iter()
            .filter(|e| e.kind == E820Kind::Ram)
            .map(|e| e.size.get())
            .sum();
        assert_eq!(ram, MiB(8192).to_bytes().get());
    }
}
