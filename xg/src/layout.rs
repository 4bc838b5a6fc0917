//! Where the memory of a guest with hardware virtualisation lies: arithmetic, no Xen.
//!
//! ```text
//! 0          low RAM           the hole's start    LAPIC, special pages    4 GiB    high RAM
//! |-----------------------------|------- hole, nothing ------------------|-------------------|
//! ```
//!
//! The hole keeps the frames free that Xen, libxenguest and devices use: the LAPIC page, the
//! special pages (store and console rings among them), the ACPI tables of PVH, the windows of PCI
//! devices of HVM. libxl reserves the same holes (`libxl__build_hvm`, 4.15 to 4.22), so a guest
//! finds its memory where it would under libxl.

use xc::{E820Entry, E820Kind};
use xen_types::{Bytes, MiB};

/// Where the memory of a guest with hardware virtualisation lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Where the hole below 4 GiB starts.
    pub(crate) hole_start: u64,
    /// Where low RAM ends.
    pub(crate) low_end: u64,
    /// Where high RAM ends, 0 if there is none.
    pub(crate) high_end: u64,
}

impl Layout {
    /// Where the hole of a PVH guest starts: `ACPI_INFO_PHYSICAL_ADDRESS` (`tools/libacpi`), the
    /// lowest of what must lie in it.
    pub(crate) const PVH_HOLE_START: u64 = 0xFC00_0000;
    /// How large the hole of an HVM guest is at least: `HVM_BELOW_4G_MMIO_LENGTH`
    /// (`xen/include/public/hvm/e820.h`).
    pub(crate) const HVM_HOLE: MiB = MiB(256);
    /// How large it may be: `xl` allows no more.
    pub(crate) const HVM_MOST_HOLE: MiB = MiB(3840);

    /// The layout of a PVH guest with so much memory at most.
    pub(crate) const fn pvh(memory: MiB) -> Self {
        Self::new(memory, Self::PVH_HOLE_START)
    }

    /// The layout of an HVM guest with so much memory at most beside its video memory, and a hole
    /// of at least 1 MiB and less than 4 GiB.
    pub(crate) const fn hvm(memory: MiB, hole: MiB) -> Self {
        Self::new(memory, FOUR_GIB - hole.to_bytes().get())
    }

    const fn new(memory: MiB, hole_start: u64) -> Self {
        let bytes = memory.to_bytes().get();
        if bytes <= hole_start {
            return Self { hole_start, low_end: bytes, high_end: 0 };
        }
        let high_end = FOUR_GIB.saturating_add(bytes - hole_start);
        Self { hole_start, low_end: hole_start, high_end }
    }

    /// How large the hole is.
    pub(crate) const fn hole_size(&self) -> u64 {
        FOUR_GIB - self.hole_start
    }

    /// The memory map that a PVH guest is told, in libxl's order (`domain_construct_memmap`), with
    /// `acpi` bytes of tables at the start of the hole.
    pub(crate) fn pvh_map(&self, acpi: Bytes, kind: E820Kind) -> Vec<E820Entry> {
        let special = E820Entry {
            start: SPECIAL_START,
            size: Bytes(SPECIAL_END - SPECIAL_START),
            kind: E820Kind::Reserved,
        };
        let tables = E820Entry { start: self.hole_start, size: acpi, kind };
        self.with_ram(0, &[special, tables])
    }

    /// The memory map that an HVM guest's firmware is told. What is below 1 MiB is laid out by the
    /// firmware.
    pub(crate) fn hvm_map(&self) -> Vec<E820Entry> {
        self.with_ram(ONE_MIB, &[])
    }

    fn with_ram(&self, start: u64, others: &[E820Entry]) -> Vec<E820Entry> {
        let ram = |start, end| E820Entry { start, size: Bytes(end - start), kind: E820Kind::Ram };
        let mut map = vec![ram(start, self.low_end)];
        map.extend(others);
        if self.high_end > FOUR_GIB {
            map.push(ram(FOUR_GIB, self.high_end));
        }
        map
    }
}

const ONE_MIB: u64 = 1 << 20;
const FOUR_GIB: u64 = 1 << 32;
/// `X86_HVM_END_SPECIAL_REGION`, `tools/include/xenguest.h`, as an address.
const SPECIAL_END: u64 = 0xFF000 << 12;
/// `X86_HVM_NR_SPECIAL_PAGES` below it.
const SPECIAL_START: u64 = SPECIAL_END - (8 << 12);

const _: () = assert!(Layout::PVH_HOLE_START < SPECIAL_START);

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(start: u64, size: u64, kind: E820Kind) -> E820Entry {
        E820Entry { start, size: Bytes(size), kind }
    }

    fn map(memory: MiB) -> Vec<E820Entry> {
        Layout::pvh(memory).pvh_map(Bytes(0x2000), E820Kind::Acpi)
    }

    /// Low and high end.
    fn ends(layout: Layout) -> (u64, u64) {
        (layout.low_end, layout.high_end)
    }

    #[test]
    fn a_small_guest_has_low_memory_only() {
        assert_eq!(ends(Layout::pvh(MiB(128))), (0x800_0000, 0));
        assert_eq!(
            map(MiB(128)),
            [
                entry(0, 0x800_0000, E820Kind::Ram),
                entry(0xFEFF_8000, 0x8000, E820Kind::Reserved),
                entry(0xFC00_0000, 0x2000, E820Kind::Acpi)
            ]
        );
    }

    #[test]
    fn memory_that_reaches_the_hole_does_not_enter_it() {
        assert_eq!(ends(Layout::pvh(MiB(4032))), (0xFC00_0000, 0));
        assert_eq!(ends(Layout::hvm(MiB(3840), MiB(256))), (0xF000_0000, 0));
    }

    #[test]
    fn what_the_hole_displaces_goes_above_four_gib() {
        assert_eq!(ends(Layout::pvh(MiB(4033))), (0xFC00_0000, 0x1_0010_0000));
        assert_eq!(map(MiB(4033))[3], entry(0x1_0000_0000, 0x10_0000, E820Kind::Ram));
    }

    #[test]
    fn an_hvm_guest_is_told_of_memory_above_the_first_mib_only() {
        assert_eq!(
            Layout::hvm(MiB(4096), MiB(1024)).hvm_map(),
            [
                entry(0x10_0000, 0xBFF0_0000, E820Kind::Ram),
                entry(0x1_0000_0000, 0x4000_0000, E820Kind::Ram)
            ]
        );
    }

    #[test]
    fn the_hole_of_an_hvm_guest_ends_at_four_gib() {
        let layout = Layout::hvm(MiB(128), MiB(1024));
        assert_eq!((layout.hole_start, layout.hole_size()), (0xC000_0000, 0x4000_0000));
    }

    #[test]
    fn no_page_is_lost_to_the_hole() {
        let map = map(MiB(8192));
        let ram: u64 = map.iter().filter(|e| e.kind == E820Kind::Ram).map(|e| e.size.get()).sum();
        assert_eq!(ram, MiB(8192).to_bytes().get());
    }
}
