//! What is particular to a PVH guest.

use xen_types::{Bytes, PageCount};

use super::{Build, BuildConfig};
use crate::backend::{Container, Image};
use crate::layout::PvhLayout;
use crate::{Result, acpi};

/// Fills in the fields that `libxl__build_hvm` fills in.
pub(super) fn describe(image: &mut dyn Image, config: &BuildConfig) {
    let layout = PvhLayout::new(config.max_memory);
    image.set_container_type(Container::Hvm);
    image.set_target_pages(config.memory.to_pages());
    image.set_mmio(PvhLayout::MMIO_START, PvhLayout::MMIO_SIZE);
    image.set_lowmem_end(layout.low_end);
    image.set_highmem_end(layout.high_end);
    image.set_vga_hole_size(PageCount(0));
    image.set_device_model(false);
}

/// Tells the guest of its CPUs and its memory. Xen gives the memory map to whoever asks by
/// hypercall, libxenguest writes it into the start info.
pub(super) fn hardware(build: &mut Build<'_>) -> Result<()> {
    let vcpus = u8::try_from(build.config.vcpus).expect("checked to be at most 128");
    let tables = acpi::tables(vcpus);
    let map = PvhLayout::new(build.config.max_memory).memory_map(Bytes(tables.len() as u64));
    build.image.set_acpi_module(tables, acpi::ADDRESS);
    build.set_memory_map(&map)?;
    build.image.set_e820(&map);
    Ok(())
}
