//! What is particular to a PVH guest.

use xc::{E820Kind, Release};
use xen_types::{Bytes, PageCount};

use super::{Build, BuildConfig};
use crate::backend::{Container, Image};
use crate::layout::Layout;
use crate::{Result, acpi};

/// Fills in the fields that `libxl__build_hvm` fills in.
pub(super) fn describe(image: &mut dyn Image, config: &BuildConfig) {
    let layout = Layout::pvh(config.max_memory);
    image.set_container_type(Container::Hvm);
    image.set_target_pages(config.memory.to_pages());
    image.set_mmio(layout.hole_start, layout.hole_size());
    image.set_lowmem_end(layout.low_end);
    image.set_highmem_end(layout.high_end);
    image.set_vga_hole_size(PageCount(0));
    image.set_device_model(false);
}

/// Tells the guest of its CPUs and its memory. Xen gives the memory map to whoever asks by
/// hypercall, libxenguest writes it into the start info.
pub(super) fn hardware(build: &mut Build<'_>) -> Result<()> {
    let few = |vcpus| u8::try_from(vcpus).expect("checked to be at most 128");
    let tables = acpi::tables(few(build.config.vcpus), few(build.config.online()));
    // What is populated for them are whole pages.
    let size = Bytes(tables.len() as u64).to_pages_up().to_bytes();
    // The kind that libxl chooses: later kernels, started by the guest's own, must find them too
    // (`domain_construct_memmap`).
    let reclaimable = build.backend.release() < Release::new(4, 21);
    let kind = if reclaimable { E820Kind::Acpi } else { E820Kind::Nvs };
    let map = Layout::pvh(build.config.max_memory).pvh_map(size, kind);
    build.image.set_acpi_module(tables, acpi::ADDRESS);
    build.set_memory_map(&map)
}
