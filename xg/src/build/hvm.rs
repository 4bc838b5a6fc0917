//! What is particular to an HVM guest: the place of its firmware, and what that is told.
//!
//! ```text
//! hvm_info_table, 48 bytes at 0x9F800        what it says
//!  0 "HVM INFO"  8 length  12 checksum       written by libxenguest
//! 13 APICs  16 virtual CPUs  32 online ones  completed here, as libxl does
//! 20 low end  24 reserved  28 high end       written by libxenguest, in pages
//! ```

use xc::foreign::ForeignMemory;
use xc::grant::Access;
use xen_types::{DomId, Gfn, PageCount};

use super::{Build, BuildConfig};
use crate::backend::{Container, Image};
use crate::error::HvmInfoError;
use crate::layout::Layout;
use crate::{Error, Firmware, Result};

/// Where in an HVM guest's memory something lies that its firmware is to use.
///
/// `hvmloader` looks for both numbers in the store, in decimal or in hexadecimal after `0x`: below
/// the guest's home in `hvmloader/acpi/address` and `hvmloader/acpi/length`, or in
/// `hvmloader/smbios` (`xen/include/public/hvm/hvm_xs_strings.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HvmModule {
    /// The guest-physical address.
    pub address: u64,
    /// The length in bytes.
    pub length: u32,
}

/// Fills in the fields that `libxl__build_hvm` fills in.
pub(super) fn describe(image: &mut dyn Image, config: &BuildConfig) {
    let layout = layout(config);
    image.set_container_type(Container::Hvm);
    image.set_target_pages(config.populated(config.memory).to_pages());
    image.set_mmio(layout.hole_start, layout.hole_size());
    image.set_lowmem_end(layout.low_end);
    image.set_highmem_end(layout.high_end);
    image.set_vga_hole_size(VGA_HOLE);
    image.set_device_model(true);
    if let Some(firmware) = &config.hvm.firmware {
        image.set_system_firmware_module(firmware.share());
    }
    if let Some(acpi) = &config.hvm.acpi {
        image.set_acpi_module(acpi.bytes().to_vec(), 0); // libxenguest finds a place
    }
    if let Some(smbios) = &config.hvm.smbios {
        image.set_smbios_module(smbios.share());
    }
}

/// Tells the firmware of the memory, for which it asks Xen. (libxl, for a guest with ACPI tables,
/// adds a range for them at address 0, as they have no place yet: `domain_construct_memmap`.)
pub(super) fn hardware(build: &mut Build<'_>) -> Result<()> {
    build.set_memory_map(&layout(build.config).hvm_map())
}

fn layout(config: &BuildConfig) -> Layout {
    Layout::hvm(config.populated(config.max_memory), config.hvm.hole)
}

/// Where the ACPI tables and the SMBIOS structures are now.
pub(super) fn modules(build: &Build<'_>) -> (Option<HvmModule>, Option<HvmModule>) {
    let (hvm, image) = (&build.config.hvm, &build.image);
    let module = |given: &Option<Firmware>, address| {
        let length = u32::try_from(given.as_ref()?.bytes().len()).ok()?;
        // Kernels that are not loaded as firmware get none.
        (address != 0).then_some(HvmModule { address, length })
    };
    (
        module(&hvm.acpi, image.acpi_module_guest_addr()),
        module(&hvm.smbios, image.smbios_module_guest_addr()),
    )
}

/// Completes `hvm_info_table`, as `hvm_build_set_params` of libxl does (`libxl_dom.c`, 4.15 to
/// 4.22).
pub(super) fn complete_info(
    foreign: &ForeignMemory,
    dom: DomId,
    config: &BuildConfig,
) -> Result<()> {
    let complete = || {
        let page = foreign.map(dom, &[INFO_FRAME], Access::Write)?;
        let mut table = [0; INFO_LENGTH];
        page.read(INFO_OFFSET, &mut table)?;
        if table[..12] != INFO_HEAD {
            let mut found = [0; 12];
            found.copy_from_slice(&table[..12]);
            return Err(HvmInfoError::Absent(found));
        }
        complete(&mut table, config.hvm.apic, config.vcpus, config.online());
        page.write(INFO_OFFSET, &table)?;
        Ok(page.close()?)
    };
    complete().map_err(|source| Error::HvmInfo { dom, source })
}

fn complete(table: &mut [u8; INFO_LENGTH], apic: bool, vcpus: u32, online: u32) {
    table[13] = apic.into();
    table[16..20].copy_from_slice(&vcpus.to_le_bytes());
    let bits = 1_u128.checked_shl(online).unwrap_or(0).wrapping_sub(1);
    table[32..].copy_from_slice(&bits.to_le_bytes());
    table[12] = 0;
    table[12] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}

/// What is not populated, for the screen of a PC: 0xA0000 to 0xBFFFF (`LIBXL_VGA_HOLE_SIZE`).
const VGA_HOLE: PageCount = PageCount(0x20);
/// `HVM_INFO_PFN`, `xen/include/public/hvm/hvm_info_table.h`.
const INFO_FRAME: Gfn = Gfn(0x9F);
/// `HVM_INFO_OFFSET`.
const INFO_OFFSET: usize = 0x800;
const INFO_LENGTH: usize = 48;
/// Signature and length.
const INFO_HEAD: [u8; 12] = *b"HVM INFO\x30\0\0\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// What libxenguest wrote for 128 MiB, and its checksum.
    fn written() -> [u8; INFO_LENGTH] {
        let mut table = [0; INFO_LENGTH];
        table[..12].copy_from_slice(&INFO_HEAD);
        table[13] = 1;
        table[16] = 1;
        table[20..28].copy_from_slice(&[0, 0x80, 0, 0, 0xf0, 0xef, 0x0f, 0]);
        table[32..].fill(0xff);
        table
    }

    fn sum(table: &[u8]) -> u8 {
        table.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    #[test]
    fn the_table_has_the_cpus_and_a_good_checksum() {
        let mut table = written();
        complete(&mut table, false, 10, 9);
        assert_eq!(table[13..28], [0, 0, 0, 10, 0, 0, 0, 0, 0x80, 0, 0, 0xf0, 0xef, 0x0f, 0]);
        assert_eq!(table[32..], [0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(sum(&table), 0);
    }

    #[test]
    fn all_cpus_of_the_largest_guest_can_be_online() {
        let mut table = written();
        complete(&mut table, true, 128, 128);
        assert_eq!(table[32..], [0xff; 16]);
        assert_eq!(sum(&table), 0);
    }
}
