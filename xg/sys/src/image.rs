//! Where the fields that we use stand in `struct xc_dom_image`, per release.

use crate::{Release, xc_dom_image};

/// A field of `struct xc_dom_image` (`tools/include/xenguest.h`) that we read or write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields are those of xenguest.h")]
pub enum ImageField {
    MaxKernelSize,
    MaxModuleSize,
    MaxDevicetreeSize,
    ConsolePfn,
    XenstorePfn,
    PvP2m,
    P2mSize,
    TotalPages,
    Flags,
    ConsoleEvtchn,
    XenstoreEvtchn,
    ConsoleDomid,
    XenstoreDomid,
    ClaimEnabled,
    ContainerType,
    TargetPages,
    MmioStart,
    MmioSize,
    LowmemEnd,
    HighmemEnd,
    VgaHoleSize,
    DeviceModel,
    SystemFirmwareModuleData,
    SystemFirmwareModuleLength,
    AcpiModule0Data,
    AcpiModule0Length,
    AcpiModule0GuestAddrOut,
    SmbiosModuleData,
    SmbiosModuleLength,
    SmbiosModuleGuestAddrOut,
    E820,
    E820Entries,
    MaxVcpus,
}

impl ImageField {
    /// All fields, in the order in which they stand.
    const ALL: [Self; 33] = [
        Self::MaxKernelSize,
        Self::MaxModuleSize,
        Self::MaxDevicetreeSize,
        Self::ConsolePfn,
        Self::XenstorePfn,
        Self::PvP2m,
        Self::P2mSize,
        Self::TotalPages,
        Self::Flags,
        Self::ConsoleEvtchn,
        Self::XenstoreEvtchn,
        Self::ConsoleDomid,
        Self::XenstoreDomid,
        Self::ClaimEnabled,
        Self::ContainerType,
        Self::TargetPages,
        Self::MmioStart,
        Self::MmioSize,
        Self::LowmemEnd,
        Self::HighmemEnd,
        Self::VgaHoleSize,
        Self::DeviceModel,
        Self::SystemFirmwareModuleData,
        Self::SystemFirmwareModuleLength,
        Self::AcpiModule0Data,
        Self::AcpiModule0Length,
        Self::AcpiModule0GuestAddrOut,
        Self::SmbiosModuleData,
        Self::SmbiosModuleLength,
        Self::SmbiosModuleGuestAddrOut,
        Self::E820,
        Self::E820Entries,
        Self::MaxVcpus,
    ];
}

/// Place and width of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    offset: u16,
    width: Width,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    U8,
    U32,
    U64,
}

impl Slot {
    const fn u8(offset: u16) -> Self {
        Self { offset, width: Width::U8 }
    }

    const fn u32(offset: u16) -> Self {
        Self { offset, width: Width::U32 }
    }

    const fn u64(offset: u16) -> Self {
        Self { offset, width: Width::U64 }
    }

    /// Bytes from the start of the structure.
    pub const fn offset(self) -> usize {
        self.offset as usize
    }

    /// Bytes that the field takes: 1, 4 or 8.
    pub const fn size(self) -> usize {
        match self.width {
            Width::U8 => 1,
            Width::U32 => 4,
            Width::U64 => 8,
        }
    }

    /// Whether the field can hold `value`.
    pub const fn fits(self, value: u64) -> bool {
        match self.width {
            Width::U8 => value <= u8::MAX as u64,
            Width::U32 => value <= u32::MAX as u64,
            Width::U64 => true,
        }
    }
}

/// Where the fields stand in the image of one release.
#[derive(Debug, Clone, Copy)]
pub struct ImageLayout {
    slot: fn(ImageField) -> Slot,
    size: usize,
}

impl ImageLayout {
    /// The oldest release with a layout.
    pub const OLDEST: Release = Release::new(4, 15);
    /// The newest release with a layout.
    pub const NEWEST: Release = Release::new(4, 22);

    /// The layout of `release`, or `None` if it was not measured.
    pub const fn of(release: Release) -> Option<Self> {
        match (release.major, release.minor) {
            // 4.22 put `memflags` into the padding at the end and moved nothing.
            (4, 15..=22) => Some(Self { slot: slot_4_15, size: 1952 }),
            _ => None,
        }
    }

    /// Where `field` stands.
    pub fn slot(&self, field: ImageField) -> Slot {
        (self.slot)(field)
    }

    /// The size of the structure.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// The first field of a new image that does not hold what `xc_dom_allocate` leaves in it, and
    /// what it holds instead. If there is one, the image is not laid out like this.
    ///
    /// The call clears the structure and then sets four of the fields here (`xg_dom_core.c`, 4.15
    /// to 4.22); the others are still zero.
    ///
    /// # Safety
    /// `image` must come from `xc_dom_allocate`, with nothing done to it since, and be no smaller
    /// than the layout.
    pub unsafe fn mismatch(&self, image: *const xc_dom_image) -> Option<(ImageField, u64)> {
        ImageField::ALL.into_iter().find_map(|field| {
            let fresh = match field {
                ImageField::MaxKernelSize
                | ImageField::MaxModuleSize
                | ImageField::MaxDevicetreeSize => XC_DOM_DECOMPRESS_MAX,
                ImageField::Flags => SIF_VIRT_P2M_4TOOLS,
                _ => 0,
            };
            // SAFETY: must be a live image at least as large as the layout: the caller promises it.
            let found = unsafe { self.read(image, field) };
            (found != fresh).then_some((field, found))
        })
    }

    /// Reads a field, widened to 64 bits.
    ///
    /// # Safety
    /// `image` must be a live image of the release that the layout is of.
    pub unsafe fn read(&self, image: *const xc_dom_image, field: ImageField) -> u64 {
        let slot = self.slot(field);
        let at = image.cast::<u8>().wrapping_add(slot.offset());
        match slot.width {
            // SAFETY: the byte must lie in a live image: the caller promises one, and the tests
            // below keep every slot inside it.
            Width::U8 => unsafe { at.read() }.into(),
            // SAFETY: as above, aligned as C aligned it.
            Width::U32 => unsafe { at.cast::<u32>().read() }.into(),
            // SAFETY: as above, aligned as C aligned it.
            Width::U64 => unsafe { at.cast::<u64>().read() },
        }
    }

    /// Writes a field. Nothing is written and `false` returned if the field is too narrow.
    ///
    /// # Safety
    /// `image` must be a live image of the release that the layout is of, used by nobody else
    /// meanwhile, and `value` one that libxenguest can work with.
    #[must_use]
    pub unsafe fn write(&self, image: *mut xc_dom_image, field: ImageField, value: u64) -> bool {
        let slot = self.slot(field);
        if !slot.fits(value) {
            return false;
        }
        let at = image.cast::<u8>().wrapping_add(slot.offset());
        match slot.width {
            // SAFETY: the byte must lie in a live image: the caller promises one, and the tests
            // below keep every slot inside it. The value was checked to fit.
            Width::U8 => unsafe { at.write(value as u8) },
            // SAFETY: as above, aligned as C aligned it.
            Width::U32 => unsafe { at.cast::<u32>().write(value as u32) },
            // SAFETY: as above, aligned as C aligned it.
            Width::U64 => unsafe { at.cast::<u64>().write(value) },
        }
        true
    }
}

/// Offsets as a C compiler gave them for `xenguest.h` of 4.15.7 to 4.22.0 on x86-64.
fn slot_4_15(field: ImageField) -> Slot {
    match field {
        ImageField::MaxKernelSize => Slot::u64(152),
        ImageField::MaxModuleSize => Slot::u64(160),
        ImageField::MaxDevicetreeSize => Slot::u64(168),
        ImageField::ConsolePfn => Slot::u64(384),
        ImageField::XenstorePfn => Slot::u64(392),
        ImageField::PvP2m => Slot::u64(480),
        ImageField::P2mSize => Slot::u64(488),
        ImageField::TotalPages => Slot::u64(504),
        ImageField::Flags => Slot::u64(560),
        ImageField::ConsoleEvtchn => Slot::u32(568),
        ImageField::XenstoreEvtchn => Slot::u32(572),
        ImageField::ConsoleDomid => Slot::u32(576),
        ImageField::XenstoreDomid => Slot::u32(580),
        ImageField::ClaimEnabled => Slot::u32(604),
        ImageField::ContainerType => Slot::u32(1712),
        ImageField::TargetPages => Slot::u64(1720),
        ImageField::MmioStart => Slot::u64(1728),
        ImageField::MmioSize => Slot::u64(1736),
        ImageField::LowmemEnd => Slot::u64(1744),
        ImageField::HighmemEnd => Slot::u64(1752),
        ImageField::VgaHoleSize => Slot::u64(1760),
        ImageField::DeviceModel => Slot::u8(1768),
        ImageField::SystemFirmwareModuleData => Slot::u64(1776),
        ImageField::SystemFirmwareModuleLength => Slot::u32(1784),
        ImageField::AcpiModule0Data => Slot::u64(1800),
        ImageField::AcpiModule0Length => Slot::u32(1808),
        ImageField::AcpiModule0GuestAddrOut => Slot::u64(1816),
        ImageField::SmbiosModuleData => Slot::u64(1896),
        ImageField::SmbiosModuleLength => Slot::u32(1904),
        ImageField::SmbiosModuleGuestAddrOut => Slot::u64(1912),
        ImageField::E820 => Slot::u64(1920),
        ImageField::E820Entries => Slot::u32(1928),
        ImageField::MaxVcpus => Slot::u32(1944),
    }
}

/// `tools/include/xenguest.h`: the largest kernel, module or device tree.
const XC_DOM_DECOMPRESS_MAX: u64 = 1 << 30;
/// `xen/include/public/xen.h`.
const SIF_VIRT_P2M_4TOOLS: u64 = 1 << 4;

#[cfg(test)]
mod tests;
